//! `/metrics` of the running platform: every figure that dashboards and alerts ask for, and true ones.

use anyhow::{Context as _, Result};
use serde_json::json;
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use wire::ingest::StreamEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;

use crate::manifests::METRICS;

/// Every service that reads the log, and what it reads of it.
const READERS: [(&str, &str); 6] = [
    ("identity", "raw"),
    ("profile", "events"),
    ("segmentation", "events"),
    ("journey", "events"),
    ("messaging", "events"),
    ("analytics", "events"),
];

/// The value of the line that begins so.
pub(crate) fn value(text: &str, begin: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(begin))?.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_look_at_is_there_and_true() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start_with(data.path(), &[]).await?;
    platform.run(&["apply", "-f", "tests/golden/traced.yaml"]).await?;
    let track = json!({"userId": "M0001", "event": "Signed Up"});
    let url = format!("http://{}/v1/track", platform.http);
    let web = reqwest::Client::new();
    for key in ["dev", "wrong"] {
        web.post(&url).basic_auth(key, Some("")).json(&track).send().await?;
    }
    web.get(format!("http://{}/nowhere/{}", platform.http, "M0001")).send().await?;
    // Refused in the middle of a stream: the code comes behind the answer.
    let unknown = StreamEventsRequest { source_key: "nirgends".to_owned(), ..Default::default() };
    let mut answers = IngestServiceClient::new(platform.client()?)
        .stream_events(tokio_stream::iter([unknown]))
        .await?
        .into_inner();
    let refused = answers.message().await.err().context("an unknown source was taken")?;

    let text = eventually("all of it applied", || async {
        let text = platform.metrics().await?;
        let behind =
            text.lines().any(|line| line.starts_with("guanxi_log_lag_events{") && !line.ends_with(" 0"));
        let there = text.contains("guanxi_log_lag_events{") && text.contains("SendMessages\",code=\"0\"");
        Ok(if there && !behind { Ok(text) } else { Err(text) })
    })
    .await?;
    for metric in METRICS.iter().filter(|metric| metric.starts_with("guanxi_")) {
        let there = text
            .lines()
            .any(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
        assert!(there, "{metric} is missing:\n{text}");
    }
    let sample = |begin: &str| value(&text, begin).with_context(|| format!("{begin}\n{text}"));
    assert_eq!(sample("guanxi_ready ")?, 1.0);
    assert_eq!(sample(r#"guanxi_http_requests_total{route="/v1/{call}",status="200"} "#)?, 1.0);
    assert_eq!(sample(r#"guanxi_http_requests_total{route="/v1/{call}",status="401"} "#)?, 1.0);
    assert_eq!(sample(r#"guanxi_http_requests_total{route="other",status="404"} "#)?, 1.0);
    let streams = "guanxi_rpc_calls_total{method=\"/guanxi.ingest.v1.IngestService/StreamEvents\",code=";
    assert_eq!(sample(&format!("{streams}\"{}\"}} ", i32::from(refused.code())))?, 1.0);
    assert!(!text.contains(&format!("{streams}\"0\"")), "{text}");
    for (service, stream) in READERS {
        let of = format!(r#"service="{service}",stream="{stream}""#);
        assert_eq!(sample(&format!("guanxi_log_lag_seconds{{{of}}} "))?, 0.0);
        assert_eq!(sample(&format!(r#"guanxi_log_lag_events{{{of},partition="0"}} "#))?, 0.0);
    }
    assert_eq!(sample(r#"guanxi_dead_letters{service="journey"} "#)?, 0.0);
    assert_eq!(sample(r#"guanxi_lease_held{service="journey",lease="job runs"} "#)?, 1.0);
    for pool in ["read", "write"] {
        let of = |state: &str| {
            sample(&format!(
                "guanxi_database_connections{{service=\"profile\",pool=\"{pool}\",state=\"{state}\"}} "
            ))
        };
        assert!(of("used")? + of("idle")? + of("unopened")? >= 1.0, "{pool}");
    }
    assert!(sample("process_resident_memory_bytes ")? > 1_000_000.0);
    assert!(sample("process_cpu_seconds_total ")? > 0.0);
    // Neither workspaces nor customers: there would be no end of them.
    assert!(!text.contains("demo") && !text.contains("M0001"), "{text}");
    platform.stop().await
}
