//! `wait_for`: an event, for a while.

use std::time::Duration;

use rules::{Condition, Schema};
use wire::event::Event;
use wire::journey as proto;

use crate::domain::node::duration;
use crate::domain::problem::Problems;

/// Waits for an event.
#[derive(Clone, Debug)]
pub(crate) struct WaitFor {
    /// Its name.
    pub(crate) event: String,
    condition: Option<Condition>,
    /// How long at the most.
    pub(crate) timeout: Duration,
    /// Where it goes on when the event came.
    pub(crate) matched: String,
    /// Where it goes on when it did not.
    pub(crate) timed_out: String,
}

impl WaitFor {
    pub(crate) fn read(wait: &proto::WaitFor, place: &str, problems: &mut Problems) -> Option<Self> {
        if wait.event.is_empty() {
            problems.add(format!("{place}.wait_for.event"), "missing", "name the event to wait for");
        }
        let condition = if wait.condition.trim().is_empty() {
            Some(None)
        } else {
            match Condition::event(&wait.condition, &Schema::open()) {
                Ok(condition) => Some(Some(condition)),
                Err(wrong) => {
                    problems.add_condition(&format!("{place}.wait_for.condition"), &wrong);
                    None
                }
            }
        };
        let timeout = duration(wait.timeout.as_ref(), &format!("{place}.wait_for.timeout"), problems);
        Some(Self {
            event: wait.event.clone(),
            condition: condition?,
            timeout: timeout?,
            matched: wait.matched.clone(),
            timed_out: wait.timed_out.clone(),
        })
    }

    /// Whether this is what it waits for.
    pub(crate) fn takes(&self, event: &Event) -> bool {
        event.name == self.event && self.condition.as_ref().is_none_or(|condition| condition.matches(event))
    }
}
