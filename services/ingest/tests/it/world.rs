//! A stage with the ingest service, and the short ways to it.

use bus::Stream;
use chassis::{Assembly, Layers};
use ingest::Ingest;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::Stage;
use wire::event::Event;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::ingest::{CreateSourceRequest, IngestEventsRequest, IngestEventsResponse, Source, SourceKind};

pub(crate) fn assembly(set: &[&str]) -> Assembly {
    let mut layers = Layers::default();
    layers.set.extend(set.iter().map(|text| (*text).to_owned()));
    Assembly::new(layers).with::<Ingest>()
}

pub(crate) async fn open() -> Stage {
    Stage::open(assembly(&[])).await.unwrap()
}

pub(crate) fn grpc(stage: &Stage) -> IngestServiceClient<testkit::Client> {
    IngestServiceClient::new(stage.client()).max_decoding_message_size(16 << 20)
}

pub(crate) fn event(stage: &Stage, id: &str) -> Event {
    testkit::event(
        id,
        "product_viewed",
        stage.warp.now(),
        &["user_id=李雷"],
        json!({"sku": "A1", "price": 88}),
    )
}

pub(crate) fn request(events: Vec<Event>) -> IngestEventsRequest {
    IngestEventsRequest { events, source_key: String::new() }
}

pub(crate) async fn ingest(stage: &Stage, events: Vec<Event>) -> IngestEventsResponse {
    grpc(stage).ingest_events(request(events)).await.unwrap().into_inner()
}

/// Accepted, duplicates and the codes of what was refused.
pub(crate) fn sums(answer: &IngestEventsResponse) -> (u32, u32, Vec<&str>) {
    (answer.accepted, answer.duplicates, answer.rejections.iter().map(|r| r.reason.as_str()).collect())
}

/// Everything on the raw log.
pub(crate) async fn raw(stage: &Stage) -> Vec<Event> {
    stage.events(Stream::Raw).await.unwrap()
}

pub(crate) fn post(stage: &Stage, path: &str) -> RequestBuilder {
    Client::new().post(format!("http://{}{path}", stage.running.http))
}

/// A call with the write key `dev` in the header.
pub(crate) async fn call(stage: &Stage, path: &str, body: Value) -> Response {
    post(stage, path).basic_auth("dev", Some("")).body(body.to_string()).send().await.unwrap()
}

/// Status and JSON of an answer.
pub(crate) async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn source(key: &str, kind: SourceKind, settings: Value) -> Source {
    Source {
        key: key.to_owned(),
        kind: kind.into(),
        settings: settings.as_object().cloned().map(chassis::values::to_struct),
        ..Source::default()
    }
}

pub(crate) async fn create(stage: &Stage, source: Source) -> Source {
    let request = CreateSourceRequest { source: Some(source) };
    grpc(stage).create_source(request).await.unwrap().into_inner().source.unwrap()
}

pub(crate) fn identifiers(event: &Event) -> Vec<String> {
    event.identifiers.iter().map(|i| format!("{}={}", i.namespace, i.value)).collect()
}
