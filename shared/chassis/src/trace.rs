//! Spans of work that an event or a request caused, as children of the trace it carries (W3C `traceparent`).
//!
//! They cost nothing while no collector is named: no subscriber is interested in their target, and nothing is read or
//! written for them.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use kernel::{Result, Workspace};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use store::{Delivery, Handler, Unit};
use tracing::{Instrument as _, Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Of spans that are for collectors alone, and stand in no log line.
pub(crate) const TARGET: &str = "guanxi::trace";
/// Spans of one batch at the most.
const MOST: usize = 32;

/// The header that carries a trace.
pub(crate) const HEADER: &str = "traceparent";
/// Its longest value.
pub(crate) const LONGEST: usize = 64;

fn is_on() -> bool {
    tracing::span_enabled!(target: TARGET, Level::INFO)
}

/// A span of `service` that does `work` because of what carries `trace_parent`; none where that is not sampled.
pub fn span(work: &str, service: &str, trace_parent: &str) -> Span {
    if !is_on() {
        return Span::none();
    }
    let Some(parent) = read(trace_parent).filter(SpanContext::is_sampled) else { return Span::none() };
    let span = tracing::info_span!(
        target: TARGET, parent: None, "work", otel.name = work, service, otel.status_code = tracing::field::Empty
    );
    join(&span, parent);
    span
}

/// The same for a batch: a span for each of the traces, so many at the most that a batch stays cheap.
pub fn spans<'a>(work: &str, service: &str, trace_parents: impl Iterator<Item = &'a str>) -> Spans {
    if !is_on() {
        return Spans(Vec::new());
    }
    let distinct: BTreeSet<&str> = trace_parents.filter(|text| !text.is_empty()).collect();
    let spans = distinct.into_iter().map(|parent| span(work, service, parent)).filter(|span| !span.is_none());
    Spans(spans.take(MOST).collect())
}

/// Spans of one piece of work that several traces caused.
#[derive(Debug)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Does the work (boxed: it is moved a few times, and stacks are small), for which all of them last; what is called
    /// meanwhile belongs to the first.
    ///
    /// # Errors
    /// What the work says; the spans say then that it failed.
    pub async fn around<A>(self, work: Pin<Box<impl Future<Output = Result<A>>>>) -> Result<A> {
        let Some(first) = self.0.first().cloned() else { return work.await };
        let done = work.instrument(first).await;
        if done.is_err() {
            for span in &self.0 {
                span.record("otel.status_code", "ERROR");
            }
        }
        done
    }
}

/// The span of a request that came by HTTP, whose headers carry from now on the trace as it goes on from there.
pub(crate) fn request(method: &http::Method, route: &str, headers: &mut http::HeaderMap) -> Span {
    let came = headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(read);
    if came.is_none() {
        headers.remove(HEADER);
    }
    if !is_on() {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: TARGET, parent: None, "http", otel.name = format!("{method} {route}"), otel.kind = "server",
        http.route = route, http.response.status_code = tracing::field::Empty
    );
    if let Some(parent) = came {
        join(&span, parent);
    }
    if let Some(value) = header(&span).and_then(|text| http::HeaderValue::try_from(text).ok()) {
        headers.insert(HEADER, value);
    }
    span
}

fn join(span: &Span, parent: SpanContext) {
    let parent = opentelemetry::Context::new().with_remote_span_context(parent);
    // Only a span that nobody collects, or that has begun, takes no parent.
    let _joined = span.set_parent(parent).is_ok();
}

/// The trace of what is being done now, as a header; `None` where no spans are collected.
pub(crate) fn current() -> Option<String> {
    is_on().then(Span::current).as_ref().and_then(header)
}

/// The header that makes others go on from `span`.
pub(crate) fn header(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let it = span.span_context();
    it.is_valid().then(|| format!("00-{}-{}-{:02x}", it.trace_id(), it.span_id(), it.trace_flags().to_u8()))
}

/// Reads `version-trace-span-flags` (W3C Trace Context, 3.2).
fn read(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let known = fits(version, 2) && version != "ff" && fits(trace, 32) && fits(span, 16) && fits(flags, 2);
    if !known || text.len() > LONGEST || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE)).filter(SpanContext::is_valid)
}

/// A consumer's handler with a span for every trace that a batch belongs to.
#[derive(Debug)]
pub(crate) struct Traced<H> {
    service: &'static str,
    inner: Arc<H>,
}

impl<H> Traced<H> {
    pub(crate) fn new(service: &'static str, inner: Arc<H>) -> Self {
        Self { service, inner }
    }
}

impl<H: Handler> Handler for Traced<H> {
    async fn prepare(&self, batch: &[Delivery]) -> Result<()> {
        self.inner.prepare(batch).await
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        let traces = batch.iter().map(|delivery| delivery.event.trace_parent.as_str());
        spans("apply", self.service, traces).around(Box::pin(self.inner.apply(unit, batch))).await
    }

    fn wants(&self, workspace: &Workspace, name: &str) -> bool {
        self.inner.wants(workspace, name)
    }

    fn committed(&self) {
        self.inner.committed();
    }

    fn rolled_back(&self) {
        self.inner.rolled_back();
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_what_is_well_formed_is_a_trace() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(read(good).is_some_and(|it| it.is_sampled()));
        assert!(read(&good.replace("-01", "-00")).is_some_and(|it| !it.is_sampled()));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
