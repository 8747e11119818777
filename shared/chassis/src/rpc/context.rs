//! What travels with a call: how much time is left, and the trace it belongs to.

use std::time::{Duration, Instant};

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Calls without a deadline, or with a later one, get this one. Streams may run longer once they have begun.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

tokio::task_local! {
    static CURRENT: CallContext;
}

/// Of the call being answered.
#[derive(Clone, Debug)]
pub(super) struct CallContext {
    pub deadline: Instant,
    pub trace_parent: String,
}

impl CallContext {
    /// Reads the headers of a call.
    pub(super) fn read(headers: &http::HeaderMap) -> Self {
        let trace =
            headers.get("traceparent").and_then(|value| value.to_str().ok()).filter(|text| text.len() <= 64);
        Self {
            deadline: Instant::now() + time_left(headers),
            trace_parent: trace.unwrap_or_default().to_owned(),
        }
    }

    /// Makes `span` part of the trace the call came with; what is called from here belongs to `span` in turn. Where no
    /// spans are collected the trace passes through unchanged.
    pub(super) fn join(&mut self, headers: &http::HeaderMap, span: &tracing::Span) {
        let propagator = TraceContextPropagator::new();
        if !self.trace_parent.is_empty()
            && span.set_parent(propagator.extract(&HeaderExtractor(headers))).is_err()
        {
            return;
        }
        let context = span.context();
        if context.span().span_context().is_valid() {
            let mut carried = http::HeaderMap::new();
            propagator.inject_context(&context, &mut HeaderInjector(&mut carried));
            let header = carried.get("traceparent").and_then(|value| value.to_str().ok());
            self.trace_parent = header.unwrap_or_default().to_owned();
        }
    }

    pub(super) async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

/// Puts what is left of the present call's time, and its trace, on an outgoing request.
pub(super) fn propagate<Q>(request: &mut Request<Q>) {
    let found = CURRENT.try_with(Clone::clone);
    if let Ok(context) = found {
        request.set_timeout(context.deadline.saturating_duration_since(Instant::now()));
        if let Ok(value) = MetadataValue::try_from(context.trace_parent.as_str())
            && !context.trace_parent.is_empty()
        {
            request.metadata_mut().insert("traceparent", value);
        }
    }
}

pub(super) fn trace_parent() -> String {
    CURRENT.try_with(|context| context.trace_parent.clone()).unwrap_or_default()
}

/// How long a call with these headers may take.
pub(super) fn time_left(headers: &http::HeaderMap) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
    asked.unwrap_or(LONGEST).min(LONGEST)
}

/// `grpc-timeout`: at most eight digits and a unit, as the gRPC over HTTP/2 protocol has it.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}
