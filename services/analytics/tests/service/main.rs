//! The service through its real gRPC interface.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is a failed test")]

mod dead_letters;
mod full_disk;
mod funnel;
mod restart;
mod scan;
mod trend;

use std::time::Duration;

use analytics::Analytics;
use bus::Stream;
use chassis::{Assembly, Layers};
use kernel::Time;
use serde_json::{Value, json};
use testkit::{Client, Stage, start_time};
use uuid::Uuid;
use wire::analytics::QueryTrendRequest;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::event::{Context, Event};

fn assembly(settings: &[&str]) -> Assembly {
    let mut layers = Layers::default();
    layers.set = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Assembly::new(layers).with::<Analytics>()
}

fn client(stage: &Stage) -> AnalyticsServiceClient<Client> {
    AnalyticsServiceClient::new(stage.client())
}

fn customer(n: u128) -> String {
    Uuid::from_u128(0xC000 + n).to_string()
}

fn record(n: u128) -> String {
    Uuid::from_u128(0xA000 + n).to_string()
}

/// Customer `who` does something on its own record, so many hours after the start of the test.
fn event(who: u128, name: &str, hours: u64, properties: Value) -> Event {
    let time = start_time().plus(Duration::from_secs(hours * 3_600));
    Event {
        customer_id: customer(who),
        record_id: record(who),
        context: Some(Context { channel: "wechat_oa".to_owned(), ..Context::default() }),
        ..testkit::event(&format!("{name}-{who}-{hours}"), name, time, &[], properties)
    }
}

/// The fact, once per side, that the records of customer `from` belong to customer `to` now.
fn moved(name: &str, from: u128, to: u128, hours: u64) -> Vec<Event> {
    let records = json!([{"record_id": record(from), "customer_id": customer(to)}]);
    let fact = |side: u128| event(side, name, hours, json!({"merge_id": "m", "records": records.clone()}));
    vec![fact(from), fact(to)]
}

async fn play(stage: &Stage, sequence: u64, events: &[Event]) {
    stage.append(Stream::Events, sequence, events).await.unwrap();
    stage.settled().await;
}

/// Every event that counts.
async fn count(stage: &Stage) -> f64 {
    let request = QueryTrendRequest { from: at(0), to: at(500), ..QueryTrendRequest::default() };
    client(stage).query_trend(request).await.unwrap().into_inner().series[0].total
}

/// Hours after the start of the test.
fn at(hours: u64) -> Option<prost_types::Timestamp> {
    Some(start_time().plus(Duration::from_secs(hours * 3_600)).into())
}

fn midnight() -> Time {
    // The test starts at 10:00 in Shanghai.
    start_time().minus(Duration::from_secs(10 * 3_600))
}

/// The fields that a refusal names.
fn refused(status: &tonic::Status) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
