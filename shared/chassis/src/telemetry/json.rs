//! One JSON object a line: when, how grave, where, what, and in which trace.

use std::fmt;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes them.
#[derive(Debug)]
pub(super) struct JsonLines {
    /// What the process serves.
    process: String,
}

impl JsonLines {
    pub(super) fn of(process: &str) -> Self {
        Self { process: process.to_owned() }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let mut line = Line(Map::new());
        line.put("timestamp", time);
        line.put("level", metadata.level().as_str());
        line.put("target", metadata.target());
        line.put("service", self.process.as_str());
        if let Some(span) = context.lookup_current() {
            let fields = span.extensions().get::<FormattedFields<N>>().map(|it| it.fields.clone());
            line.put("span", format!("{}{{{}}}", span.name(), fields.unwrap_or_default()));
        }
        let current = opentelemetry::Context::current();
        let (current, trace) = (current.span(), "trace_id");
        if current.span_context().is_valid() {
            line.put(trace, current.span_context().trace_id().to_string());
            line.put("span_id", current.span_context().span_id().to_string());
        }
        // Last: an event that names the service itself knows better.
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
