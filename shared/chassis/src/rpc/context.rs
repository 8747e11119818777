//! What travels with a call: how much time is left, and the trace it belongs to.

use std::time::{Duration, Instant};

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::scope::Scopes;
use crate::trace;

/// Calls without a deadline, or with a later one, get this one. Streams may run longer once they have begun.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

tokio::task_local! {
    static CURRENT: CallContext;
}

/// Of the call being answered.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    /// `/guanxi.profile.v1.ProfileService/GetProfile`.
    pub(crate) path: String,
    /// What the descriptors say of all methods.
    pub(crate) methods: Scopes,
    pub(super) deadline: Instant,
    pub(super) trace_parent: String,
}

impl CallContext {
    /// Reads path and headers of a call.
    pub(super) fn read<B>(request: &http::Request<B>, methods: &Scopes) -> Self {
        let headers = request.headers();
        let trace = headers
            .get(trace::HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| text.len() <= trace::LONGEST);
        Self {
            path: request.uri().path().to_owned(),
            methods: methods.clone(),
            deadline: Instant::now() + time_left(headers),
            trace_parent: trace.unwrap_or_default().to_owned(),
        }
    }

    /// Makes `span` part of the trace the call came with; what is called from here belongs to `span` in turn. Where no
    /// spans are collected the trace passes through unchanged.
    pub(super) fn join(&mut self, headers: &http::HeaderMap, span: &tracing::Span) {
        if !self.trace_parent.is_empty()
            && span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers))).is_err()
        {
            return;
        }
        if let Some(header) = trace::header(span) {
            self.trace_parent = header;
        }
    }

    pub(super) async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

/// Puts what is left of the present call's time, and its trace, on an outgoing request.
pub(super) fn propagate<Q>(request: &mut Request<Q>) {
    if let Ok(deadline) = CURRENT.try_with(|context| context.deadline) {
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    let trace = trace_parent();
    if let Ok(value) = MetadataValue::try_from(trace.as_str())
        && !trace.is_empty()
    {
        request.metadata_mut().insert(trace::HEADER, value);
    }
}

/// The call being answered.
pub(crate) fn current() -> Option<CallContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Of the work that is being done, within a call or not.
pub(super) fn trace_parent() -> String {
    let within = || CURRENT.try_with(|context| context.trace_parent.clone()).unwrap_or_default();
    trace::current().unwrap_or_else(within)
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
