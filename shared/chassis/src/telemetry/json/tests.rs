//! What a line says.

use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanContext, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_says_where_and_in_which_trace_it_was_written() {
    let (written, provider) = (Written::default(), SdkTracerProvider::builder().build());
    let sink = written.clone();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || sink.clone())
        .with_ansi(false)
        .event_format(JsonLines::of("ingest,identity"));
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let parent = SpanContext::new(
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736.into(),
        0x00f0_67aa_0ba9_02b7.into(),
        opentelemetry::trace::TraceFlags::SAMPLED,
        true,
        opentelemetry::trace::TraceState::default(),
    );
    tracing::subscriber::with_default(tracing_subscriber::registry().with(spans).with(lines), || {
        tracing::info!(count = 7, good = true, "before");
        let span = tracing::info_span!("call", method = "Track");
        span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent)).unwrap();
        span.in_scope(|| tracing::warn!(service = "identity", name = %"王芳", "within"));
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [before, within] = lines.as_slice() else { panic!("{text}") };
    let of = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (of(before, "service"), of(before, "level")),
        ("ingest,identity".to_owned(), "INFO".to_owned())
    );
    assert_eq!(
        (&before["count"], &before["good"], &before["message"]),
        (&7.into(), &true.into(), &"before".into())
    );
    assert!(before.get("trace_id").is_none() && before.get("span_id").is_none(), "{before}");
    assert_eq!(of(within, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(of(within, "span_id").len(), 16);
    assert_ne!(of(within, "span_id"), "00f067aa0ba902b7", "its own span, not its parent");
    assert!(of(within, "span").contains("Track") && of(within, "timestamp").ends_with('Z'), "{within}");
    // An event that names the service itself knows better.
    assert_eq!((of(within, "service"), of(within, "name")), ("identity".to_owned(), "王芳".to_owned()));
}
