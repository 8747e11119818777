//! A process with the service and its stand-ins, and short words for what tests do with it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bus::Stream;
use chassis::{Assembly, Layers};
use journey::Journey;
use kernel::Time;
use testkit::{Client, Stage};
use uuid::Uuid;
use wire::event::Event;
use wire::journey as proto;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::journey::node::Kind;

use crate::fakes::{self, FakeIdentity, FakeMessaging, FakeProfile, FakeSegmentation, World};

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    world: Arc<Mutex<World>>,
    number: u64,
    sequence: u64,
}

fn assembly(number: u64) -> Assembly {
    let mut layers = Layers::default();
    layers.set.push("common.workspaces.demo=Asia/Shanghai".to_owned());
    for service in ["messaging", "segmentation", "profile", "identity"] {
        layers.set.push(format!("{service}.world={number}"));
    }
    Assembly::new(layers)
        .with::<Journey>()
        .with::<FakeMessaging>()
        .with::<FakeSegmentation>()
        .with::<FakeProfile>()
        .with::<FakeIdentity>()
}

pub(crate) fn customer(n: u128) -> String {
    Uuid::from_u128(n + 1).to_string()
}

pub(crate) fn record(n: u128) -> String {
    Uuid::from_u128(n + 1_000_000).to_string()
}

impl Scene {
    pub(crate) async fn open() -> Self {
        let (number, world) = fakes::world();
        let stage = Stage::open(assembly(number)).await.unwrap();
        Self { stage, world, number, sequence: 1 }
    }

    /// Ends the process and starts it again on the same data.
    pub(crate) async fn reopen(self) -> Self {
        let stage = self.stage.reopen(assembly(self.number)).await.unwrap();
        stage.settled().await;
        Self { stage, ..self }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn client(&self) -> JourneyServiceClient<Client> {
        JourneyServiceClient::new(self.stage.client())
    }

    pub(crate) fn now(&self) -> Time {
        self.stage.warp.now()
    }

    pub(crate) async fn create(&self, key: &str, definition: proto::Definition) {
        let journey = proto::Journey {
            key: key.to_owned(),
            name: "测试".to_owned(),
            definition: Some(definition),
            ..proto::Journey::default()
        };
        let request = proto::CreateJourneyRequest { journey: Some(journey) };
        self.client().create_journey(request).await.unwrap();
    }

    pub(crate) async fn publish(&self, key: &str, definition: proto::Definition) -> proto::Journey {
        self.create(key, definition).await;
        self.publish_again(key).await
    }

    pub(crate) async fn publish_again(&self, key: &str) -> proto::Journey {
        let request = proto::PublishJourneyRequest { key: key.to_owned() };
        let journey = self.client().publish_journey(request).await.unwrap().into_inner().journey.unwrap();
        self.stage.settled().await;
        journey
    }

    /// An event of customer `n` at this moment.
    pub(crate) fn event(&self, id: &str, name: &str, n: u128, properties: serde_json::Value) -> Event {
        let event = testkit::event(id, name, self.now(), &[], properties);
        Event { customer_id: customer(n), record_id: record(n), ..event }
    }

    pub(crate) async fn append(&mut self, events: &[Event]) {
        self.stage.append(Stream::Events, self.sequence, events).await.unwrap();
        self.sequence += events.len() as u64;
        self.stage.settled().await;
    }

    /// Something happens to customer `n` now.
    pub(crate) async fn happen(&mut self, name: &str, n: u128, properties: serde_json::Value) {
        let event = self.event(&format!("e{}", self.sequence), name, n, properties);
        self.append(&[event]).await;
    }

    pub(crate) async fn pass(&self, text: &str) {
        self.stage.advance(kernel::time::parse_duration(text).unwrap()).await;
    }

    /// The runs of a journey with their histories, the oldest first.
    pub(crate) async fn runs(&self, key: &str) -> Vec<proto::Run> {
        let (mut runs, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = proto::ListRunsRequest {
                journey_key: key.to_owned(),
                page_token,
                page_size: 7,
                ..Default::default()
            };
            let page = self.client().list_runs(request).await.unwrap().into_inner();
            for run in page.runs {
                let request = proto::GetRunRequest { run_id: run.run_id };
                runs.push(self.client().get_run(request).await.unwrap().into_inner().run.unwrap());
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                runs.reverse();
                return runs;
            }
        }
    }

    /// The only run of a journey, as `node:outcome` words, with the state or the reason at the end.
    pub(crate) async fn story(&self, key: &str) -> String {
        let runs = self.runs(key).await;
        assert_eq!(runs.len(), 1, "{runs:?}");
        story(&runs[0])
    }

    pub(crate) async fn stats(&self, key: &str) -> proto::GetJourneyStatsResponse {
        let request = proto::GetJourneyStatsRequest { key: key.to_owned(), version: 0 };
        self.client().get_journey_stats(request).await.unwrap().into_inner()
    }

    /// What must hold at any moment: every live run is at work or waits for something, and the counters say the same
    /// as the runs.
    pub(crate) async fn audit(&self, key: &str) {
        let runs = self.runs(key).await;
        let stats = self.stats(key).await;
        let exited = |run: &&proto::Run| run.state() == proto::RunState::Exited;
        assert_eq!(stats.entered, runs.len() as i64);
        assert_eq!(stats.active, runs.iter().filter(|run| !exited(run)).count() as i64);
        for exit in &stats.exits {
            let ended = runs.iter().filter(exited).filter(|run| run.exit_reason == exit.reason).count();
            assert_eq!(exit.runs, ended as i64, "{}", exit.reason);
        }
        for node in &stats.nodes {
            let there = runs.iter().filter(|run| !exited(run) && run.node == node.node).count();
            let left = runs.iter().flat_map(|run| &run.history).filter(|step| step.node == node.node).count();
            assert_eq!((node.waiting, node.left), (there as i64, left as i64), "{}", node.node);
            assert_eq!(node.entered, node.waiting + node.left);
        }
        for run in runs.iter().filter(|run| !exited(run)) {
            assert!(run.wakes_at.is_some() && run.exited_at.is_none(), "{run:?}");
        }
        let facts = self.stage.events(Stream::Events).await.unwrap();
        let told = |name: &str| {
            facts.iter().filter(|e| e.name == name && chassis::fact::text(e, "journey") == key).count()
        };
        assert_eq!(told("journey.entered"), runs.len());
        assert_eq!(told("journey.exited"), runs.iter().filter(exited).count());
    }
}

pub(crate) fn story(run: &proto::Run) -> String {
    let mut words: Vec<String> =
        run.history.iter().map(|step| format!("{}:{}", step.node, step.outcome)).collect();
    words.push(match run.state() {
        proto::RunState::Exited => format!("={}", run.exit_reason),
        state => {
            format!("@{} {}", run.node, if state == proto::RunState::Waiting { "waiting" } else { "ready" })
        }
    });
    words.join(" ")
}

/// A definition that an event starts.
pub(crate) fn on(event: &str, nodes: Vec<(&str, proto::Node)>) -> proto::Definition {
    proto::Definition {
        entry: Some(proto::Entry {
            trigger: Some(proto::entry::Trigger::Event(event.to_owned())),
            re_entry: proto::ReEntry::Always.into(),
            ..proto::Entry::default()
        }),
        start: nodes[0].0.to_owned(),
        nodes: nodes.into_iter().map(|(id, node)| (id.to_owned(), node)).collect(),
        exit_when: String::new(),
    }
}

fn node(kind: Kind, next: &str) -> proto::Node {
    proto::Node { kind: Some(kind), next: next.to_owned() }
}

pub(crate) fn length(text: &str) -> prost_types::Duration {
    let length: Duration = kernel::time::parse_duration(text).unwrap();
    prost_types::Duration { seconds: length.as_secs() as i64, nanos: 0 }
}

pub(crate) fn wait(text: &str, next: &str) -> proto::Node {
    let until = proto::wait::Until::Duration(length(text));
    node(Kind::Wait(proto::Wait { until: Some(until) }), next)
}

pub(crate) fn until(time_of_day: &str, next: &str) -> proto::Node {
    let until = proto::wait::Until::TimeOfDay(time_of_day.to_owned());
    node(Kind::Wait(proto::Wait { until: Some(until) }), next)
}

pub(crate) fn wait_for(event: &str, timeout: &str, matched: &str, timed_out: &str) -> proto::Node {
    let wait = proto::WaitFor {
        event: event.to_owned(),
        condition: String::new(),
        timeout: Some(length(timeout)),
        matched: matched.to_owned(),
        timed_out: timed_out.to_owned(),
    };
    node(Kind::WaitFor(wait), "")
}

pub(crate) fn branch(cases: &[(&str, &str)], otherwise: &str) -> proto::Node {
    let case =
        |(when, next): &(&str, &str)| proto::Case { when: (*when).to_owned(), next: (*next).to_owned() };
    let cases = cases.iter().map(case).collect();
    node(Kind::Branch(proto::Branch { cases, otherwise: otherwise.to_owned() }), "")
}

pub(crate) fn send(channels: &[&str], template: &str, next: &str) -> proto::Node {
    let send = proto::Send {
        channels: channels.iter().map(|key| (*key).to_owned()).collect(),
        template: template.to_owned(),
        purpose: proto::Purpose::Service.into(),
        variables: None,
    };
    node(Kind::Send(send), next)
}

pub(crate) fn update(attributes: serde_json::Value, add_tags: &[&str], next: &str) -> proto::Node {
    let update = proto::Update {
        attributes: attributes.as_object().cloned().map(chassis::values::to_struct),
        add_tags: add_tags.iter().map(|key| (*key).to_owned()).collect(),
        remove_tags: Vec::new(),
    };
    node(Kind::Update(update), next)
}

pub(crate) fn exit(reason: &str) -> proto::Node {
    node(Kind::Exit(proto::Exit { reason: reason.to_owned() }), "")
}
