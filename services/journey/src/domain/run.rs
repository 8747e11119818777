//! Where a run stands.

use kernel::Time;
use wire::event::Event;

/// A run, as far as the engine is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunState {
    /// The node it stands at; empty before it is let in.
    pub(crate) node: String,
    /// How many nodes it has come to: tells apart the visits to one node.
    pub(crate) visit: u32,
    /// How many of them since it last waited.
    pub(crate) hops: u32,
    /// What it does there.
    pub(crate) stage: Stage,
    /// Events of the customer that came while it was at work: a `wait_for` that it reaches in the same breath must not
    /// miss what came between the event that set it going and now.
    pub(crate) held: Vec<Event>,
}

/// What a run does at its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Triggered; whether it is let in is not decided.
    Entering,
    /// Has come to the node and not yet looked at it.
    Arriving,
    /// The node's effect is due.
    Acting,
    /// The awaited event has come.
    Matched {
        /// Its id.
        event_id: String,
    },
    /// Waits.
    Waiting {
        /// Until then at the most.
        until: Time,
        /// For an event of that name, or just for the time.
        event: Option<String>,
    },
    /// Is over.
    Exited {
        /// Why.
        reason: String,
    },
}

impl RunState {
    /// Whether it may still do something.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Exited { .. })
    }
}

/// Name of the made-up event that starts a run on a day of the year; it is not on the log.
pub(crate) const DATE_REACHED: &str = "date.reached";

/// The id of the event on the log that caused what a run does; empty for a date.
pub(crate) fn cause_id(trigger: &Event) -> &str {
    if trigger.name == DATE_REACHED { "" } else { &trigger.id }
}
