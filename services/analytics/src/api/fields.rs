//! Reading a request's fields; what is wrong with them is gathered, so that all of it is told at once.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Error, Result, Time, Violation};
use prost_types::Timestamp;
use rules::{Condition, Schema};

use crate::domain::scalar;
use crate::engine::query::Filter;

/// The range when a request says none.
const DEFAULT_RANGE: Duration = Duration::from_secs(30 * 86_400);

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    wrong: Vec<Violation>,
}

impl Fields {
    /// Notes that a field is wrong.
    pub(super) fn refuse(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.wrong.push(Violation { field: field.into(), description: description.into() });
    }

    /// The value, or `None` and a note.
    pub(super) fn check<T>(&mut self, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.wrong.extend(error.violations)).ok()
    }

    /// A condition on an event; `None` for an empty one.
    pub(super) fn filter(&mut self, field: &str, source: &str) -> Option<Filter> {
        if source.trim().is_empty() {
            return None;
        }
        let condition =
            self.check(Condition::event(source, &Schema::open()).map_err(|problems| problems.at(field)))?;
        Some(Filter { source: source.to_owned(), test: Arc::new(move |event| condition.matches(event)) })
    }

    /// A path whose values make series; `None` for an empty one.
    pub(super) fn breakdown(&mut self, path: &str) -> Option<String> {
        if path.is_empty() {
            return None;
        }
        if !scalar::is_path(path) {
            let paths = "name, properties.<name>, context.channel, context.source_key, context.locale or context.campaign.<field>";
            self.refuse("breakdown", format!("`{path}` is not a property; write {paths}"));
        }
        Some(path.to_owned())
    }

    /// `[from, to)`: up to now and the last 30 days, where the request does not say.
    pub(super) fn range(
        &mut self,
        from: Option<&Timestamp>,
        to: Option<&Timestamp>,
        now: Time,
    ) -> (Time, Time) {
        let to = to.map_or(now, Time::from);
        let from = from.map_or_else(|| to.minus(DEFAULT_RANGE), Time::from);
        if from >= to {
            self.refuse("to", "must lie behind `from`");
        }
        (from, to)
    }

    /// Ends with everything that is wrong, if anything is.
    pub(super) fn finish(self) -> Result<()> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Error::violations(self.wrong)) }
    }
}
