//! A stage with messaging on it, and short ways to do and to see things.

use chassis::{Assembly, Layers, values};
use messaging::Messaging;
use serde_json::{Value, json};
use testkit::{Client, Stage};
use wire::event::Event;
use wire::messaging as pb;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::send_message_request::{Body, Customer};

use crate::people::{FakeIdentity, FakeProfile, Somebody};

pub(crate) type Api = MessagingServiceClient<Client>;

/// What a test looks at and moves.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) api: Api,
}

fn assembly(set: &[&str]) -> Assembly {
    let mut layers = Layers::default();
    layers.set = set.iter().map(|one| (*one).to_owned()).collect();
    Assembly::new(layers).with::<FakeIdentity>().with::<FakeProfile>().with::<Messaging>()
}

/// The id of the `n`-th made-up customer.
pub(crate) fn customer_id(n: u32) -> String {
    format!("01900000-0000-7000-8000-{n:012x}")
}

/// The id of their record.
pub(crate) fn record_id(n: u32) -> String {
    format!("01900000-0000-7000-9000-{n:012x}")
}

/// The `n`-th made-up customer with identifiers written `namespace=value`.
pub(crate) fn somebody(n: u32, identifiers: &[&str], attributes: Value) -> Somebody {
    let pair = |text: &&str| text.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    Somebody {
        customer_id: customer_id(n),
        record_id: record_id(n),
        identifiers: identifiers.iter().map(pair).collect(),
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        ..Somebody::default()
    }
}

/// A request to send a template to the `n`-th customer.
pub(crate) fn request(key: &str, n: u32, channels: &[&str], template: &str) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        idempotency_key: key.to_owned(),
        customer: Some(Customer::CustomerId(customer_id(n))),
        channels: channels.iter().map(|key| (*key).to_owned()).collect(),
        body: Some(Body::Template(template.to_owned())),
        purpose: pb::Purpose::Service.into(),
        ..pb::SendMessageRequest::default()
    }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// With settings such as `messaging.batch=7`.
    pub(crate) async fn open_with(set: &[&str]) -> Self {
        let stage = Stage::open(assembly(set)).await.unwrap();
        Self { api: Api::new(stage.client()), stage }
    }

    /// Stops the process and starts it on the same data.
    pub(crate) async fn reopen(self) -> Self {
        let stage = self.stage.reopen(assembly(&[])).await.unwrap();
        Self { api: Api::new(stage.client()), stage }
    }

    pub(crate) fn know(&self, people: &[Somebody]) {
        std::fs::write(self.stage.folder().join("people.json"), serde_json::to_vec(people).unwrap()).unwrap();
    }

    pub(crate) async fn channel(&mut self, key: &str, kind: pb::ChannelKind, settings: Value, rate: &str) {
        let channel = channel(key, kind, settings, rate);
        self.api.create_channel(pb::CreateChannelRequest { channel: Some(channel) }).await.unwrap();
    }

    pub(crate) async fn sandbox(&mut self, key: &str) {
        self.channel(key, pb::ChannelKind::Sandbox, json!({}), "").await;
    }

    /// A template of one Chinese text.
    pub(crate) async fn template(&mut self, key: &str, text: &str) {
        let variant = pb::Variant { locale: "zh-CN".into(), text: text.into(), ..pb::Variant::default() };
        self.variants(key, vec![variant]).await;
    }

    pub(crate) async fn variants(&mut self, key: &str, variants: Vec<pb::Variant>) {
        let template = pb::Template { key: key.into(), variants, ..pb::Template::default() };
        self.api.create_template(pb::CreateTemplateRequest { template: Some(template) }).await.unwrap();
    }

    pub(crate) async fn send(&mut self, request: pb::SendMessageRequest) -> pb::Message {
        self.api.send_message(request).await.unwrap().into_inner().message.unwrap()
    }

    pub(crate) async fn message(&mut self, id: &str) -> pb::Message {
        let request = pb::GetMessageRequest { message_id: id.to_owned() };
        self.api.get_message(request).await.unwrap().into_inner().message.unwrap()
    }

    /// Sends, waits until nothing moves any more, and looks at the message.
    pub(crate) async fn sent(&mut self, request: pb::SendMessageRequest) -> pb::Message {
        let id = self.send(request).await.message_id;
        self.stage.settled().await;
        self.message(&id).await
    }

    /// Facts about messages, oldest first: name and properties.
    pub(crate) async fn facts(&self) -> Vec<(String, Value)> {
        let facts = self.events().await.into_iter().filter(|event| event.name.starts_with("message."));
        facts.map(|fact| (fact.name, Value::Object(values::from_struct(fact.properties.unwrap())))).collect()
    }

    /// Events of the log in the order of their ids.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.stage.settled().await;
        let mut events = self.stage.events(bus::Stream::Events).await.unwrap();
        events.sort_by(|a, b| a.id.cmp(&b.id));
        events
    }
}

/// A channel as it is given.
pub(crate) fn channel(key: &str, kind: pb::ChannelKind, settings: Value, rate: &str) -> pb::Channel {
    let settings = settings.as_object().cloned().unwrap_or_default();
    pb::Channel {
        key: key.into(),
        kind: kind.into(),
        settings: Some(values::to_struct(settings)),
        limits: Some(pb::Limits { rate: rate.into() }),
        ..pb::Channel::default()
    }
}

/// Field and description of each violation of a refusal.
pub(crate) fn violations(status: &tonic::Status) -> Vec<(String, String)> {
    let error = chassis::status::from_status(status);
    error.violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}
