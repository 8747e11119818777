//! A stage with the service, and people who do things.

use std::sync::atomic::{AtomicU64, Ordering};

use bus::Stream;
use chassis::{Assembly, Layers};
use kernel::Time;
use segmentation::Segmentation;
use serde_json::{Value, json};
use testkit::{Client, Stage};
use uuid::Uuid;
use wire::event::Event;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::*;

use super::analytics::FakeAnalytics;

pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) api: SegmentationServiceClient<Client>,
    sequence: AtomicU64,
}

/// With history to be had, or without.
pub(crate) fn assembly(history: bool) -> Assembly {
    let assembly = Assembly::new(Layers::default()).with::<Segmentation>();
    if history { assembly.with::<FakeAnalytics>() } else { assembly }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with(Stage::open(assembly(true)).await.unwrap(), 1)
    }

    pub(crate) async fn without_history() -> Self {
        Self::with(Stage::open(assembly(false)).await.unwrap(), 1)
    }

    pub(crate) async fn with_real_analytics() -> Self {
        let assembly = assembly(false).with::<analytics::Analytics>();
        Self::with(Stage::open(assembly).await.unwrap(), 1)
    }

    fn with(stage: Stage, sequence: u64) -> Self {
        let api = SegmentationServiceClient::new(stage.client());
        Self { stage, api, sequence: AtomicU64::new(sequence) }
    }

    pub(crate) async fn reopen(self, history: bool) -> Self {
        let Self { stage, api, sequence } = self;
        // Its connection would keep the former process's log open.
        drop(api);
        Self::with(stage.reopen(assembly(history)).await.unwrap(), sequence.into_inner())
    }

    pub(crate) fn now(&self) -> Time {
        self.stage.warp.now()
    }

    /// Puts events on the log; they may not be applied yet.
    pub(crate) async fn send(&self, events: &[Event]) {
        let sequence = self.sequence.fetch_add(events.len() as u64, Ordering::Relaxed);
        self.stage.append(Stream::Events, sequence, events).await.unwrap();
    }

    /// Puts events on the log and waits until everything is applied.
    pub(crate) async fn play(&self, events: &[Event]) {
        self.send(events).await;
        self.stage.settled().await;
    }

    pub(crate) fn did(&self, person: u32, name: &str, properties: Value) -> Event {
        self.did_on(person, person, name, properties)
    }

    pub(crate) fn did_on(&self, person: u32, record: u32, name: &str, properties: Value) -> Event {
        let id = format!("e{}", self.sequence.fetch_add(0, Ordering::Relaxed));
        at(self.now(), person, record, &id, name, properties)
    }

    pub(crate) async fn create(&self, key: &str, condition: &str) -> Segment {
        let segment =
            Segment { key: key.into(), name: key.into(), condition: condition.into(), ..Segment::default() };
        let answer =
            self.api.clone().create_segment(CreateSegmentRequest { segment: Some(segment) }).await.unwrap();
        self.stage.settled().await;
        answer.into_inner().segment.unwrap()
    }

    pub(crate) async fn segment(&self, key: &str) -> Segment {
        let ask = GetSegmentRequest { key: key.into() };
        self.api.clone().get_segment(ask).await.unwrap().into_inner().segment.unwrap()
    }

    /// Numbers of the members, ascending; checks that the size agrees.
    pub(crate) async fn members(&self, key: &str) -> Vec<u32> {
        let ask = ListMembersRequest { key: key.into(), page_size: 1_000, page_token: String::new() };
        let answer = self.api.clone().list_members(ask).await.unwrap().into_inner();
        assert_eq!(answer.total, answer.customer_ids.len() as i64, "size of {key}");
        answer.customer_ids.iter().map(|id| number(id)).collect()
    }

    /// The facts about a segment, as `entered 1 @0s reason`, with seconds since the start.
    pub(crate) async fn told(&self, key: &str) -> Vec<String> {
        let events = self.stage.events(Stream::Events).await.unwrap();
        let line = |event: &Event| {
            let change = event.name.strip_prefix("segment.").or_else(|| event.name.strip_prefix("rule."))?;
            let named = [chassis::fact::text(event, "segment"), chassis::fact::text(event, "rule")];
            named.contains(&key).then(|| {
                let seconds = chassis::fact::time(event).since(testkit::start_time()).as_secs_f64();
                let reason = chassis::fact::text(event, "reason");
                format!("{change} {} @{seconds} {reason}", number(&event.customer_id)).trim_end().to_owned()
            })
        };
        events.iter().filter_map(line).collect()
    }

    pub(crate) async fn set_tiers(&self, key: &str, tiers: &[(&str, &str)]) {
        let tier = |(key, condition): &(&str, &str)| Tier {
            key: (*key).into(),
            name: (*key).into(),
            condition: (*condition).into(),
        };
        let tiers = tiers.iter().map(tier).collect();
        let tier_set = TierSet { key: key.into(), name: "客户价值".into(), tiers, ..TierSet::default() };
        self.api.clone().create_tier_set(CreateTierSetRequest { tier_set: Some(tier_set) }).await.unwrap();
        self.stage.settled().await;
    }

    /// Counts by tier; checks that shares and total agree.
    pub(crate) async fn distribution(&self, key: &str) -> Vec<(String, i64)> {
        let ask = GetTierDistributionRequest { key: key.into() };
        let answer = self.api.clone().get_tier_distribution(ask).await.unwrap().into_inner();
        assert_eq!(answer.tiers.iter().map(|tier| tier.customers).sum::<i64>(), answer.total);
        for tier in &answer.tiers {
            assert!((tier.share * answer.total as f64 - tier.customers as f64).abs() < 1e-6);
        }
        answer.tiers.into_iter().map(|tier| (tier.key, tier.customers)).collect()
    }
}

/// The id of a customer or record of a number.
pub(crate) fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

pub(crate) fn number(id: &str) -> u32 {
    u32::try_from(Uuid::try_parse(id).unwrap().as_u128() & 0xffff_ffff).unwrap()
}

pub(crate) fn at(time: Time, person: u32, record: u32, id: &str, name: &str, properties: Value) -> Event {
    Event {
        customer_id: uuid(person).to_string(),
        record_id: uuid(record).to_string(),
        ..testkit::event(id, name, time, &[], properties)
    }
}

/// Both copies of a merge or split.
pub(crate) fn joined(
    time: Time,
    id: &str,
    name: &str,
    survivor: u32,
    others: &[u32],
    records: &[(u32, u32)],
) -> Vec<Event> {
    let list = if name == "customer.merged" { "merged" } else { "restored" };
    let records: Vec<Value> = records
        .iter()
        .map(|(record, customer)| {
            json!({"record_id": uuid(*record).to_string(), "customer_id": uuid(*customer).to_string()})
        })
        .collect();
    let ids: Vec<String> = others.iter().map(|other| uuid(*other).to_string()).collect();
    let properties = json!({
        "merge_id": id, "survivor": uuid(survivor).to_string(), list: ids, "records": records, "side": "survivor"
    });
    let concerned = [survivor].into_iter().chain(others.iter().copied());
    concerned.map(|one| at(time, one, one, &format!("{id}-{one}"), name, properties.clone())).collect()
}

/// Who owns what after this event, by id.
pub(crate) fn moves(event: &Event) -> Vec<(String, String)> {
    if !["customer.merged", "customer.split"].contains(&event.name.as_str()) {
        return Vec::new();
    }
    let properties = chassis::fact::properties(event);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let records = properties["records"].as_array().unwrap();
    records.iter().map(|row| (text(&row["record_id"]), text(&row["customer_id"]))).collect()
}
