//! One connected trace from the HTTP request to the sent message, as a real OTLP receiver gets it.

pub(crate) mod collector;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tempfile::tempdir;
use tests::platform::{LOG, Platform, eventually};

use self::collector::{Collector, Seen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ROOT: &str = "00f067aa0ba902b7";

/// A span's name with its service, by which its place on the way is known.
fn places(spans: &[Seen]) -> BTreeSet<String> {
    spans.iter().map(|span| format!("{} {}", span.attribute("service"), span.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_request_to_the_message() -> Result<()> {
    let data = tempdir()?;
    let collector = Collector::start().await?;
    // What begins here is not sampled: whatever arrives belongs to the caller's trace.
    let settings = [
        format!("common.telemetry.collector={}", collector.url),
        "common.telemetry.sample=0".to_owned(),
        "common.log.format=json".to_owned(),
        "common.log.filter=info,ingest=debug".to_owned(),
    ];
    let platform = Platform::start_with(data.path(), &settings).await?;
    platform.run(&["apply", "-f", "tests/golden/traced.yaml"]).await?;
    let call = json!({"userId": "M0001", "event": "Signed Up", "properties": {"city": "上海"}});
    let answer = reqwest::Client::new()
        .post(format!("http://{}/v1/track", platform.http))
        .basic_auth("dev", Some(""))
        .header("traceparent", format!("00-{TRACE}-{ROOT}-01"))
        .json(&call)
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{}", answer.text().await?);

    let way = [
        " POST /v1/{call}",
        "identity apply",
        "profile apply",
        "journey apply",
        "journey run",
        " /guanxi.messaging.v1.MessagingService/SendMessages",
        "messaging deliver",
    ];
    let spans = eventually("the whole way", || async {
        let spans = collector.spans();
        let seen = places(&spans);
        Ok(if way.iter().all(|place| seen.contains(*place)) { Ok(spans) } else { Err(format!("{seen:?}")) })
    })
    .await?;
    platform.stop().await?;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
    let spans = collector.spans();
    let known: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).chain([ROOT]).collect();
    for span in &spans {
        assert_eq!(span.trace, TRACE, "{span:?}");
        assert!(known.contains(span.parent.as_str()), "its parent is missing: {span:?}");
        assert!(span.resource.contains("guanxi"), "{span:?}");
    }
    assert_eq!(spans.iter().filter(|span| span.parent == ROOT).count(), 1, "one way in: {spans:#?}");
    // Whoever reads the log finds the trace there, and the other way round.
    let log = std::fs::read_to_string(data.path().join(LOG))?;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let taken: Vec<Value> = lines.filter(|line| line["message"] == "calls").collect();
    assert_eq!(taken.len(), 1, "{log}");
    assert_eq!(taken[0]["trace_id"], TRACE, "{taken:?}");
    assert!(spans.iter().any(|span| taken[0]["span_id"] == span.id), "{taken:?}");
    Ok(())
}
