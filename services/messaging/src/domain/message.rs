//! A message on its way: the channel in use, what was tried, and what it has become.

use kernel::{Error, Result, Time};
use serde::{Deserialize, Serialize};

use super::outcome::{Fault, Outcome};
use super::retry::Retry;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Deferred,
    Sending,
    Unknown,
    Sent,
    Delivered,
    Failed,
    Suppressed,
}

impl State {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Queued, "queued"),
        (Self::Deferred, "deferred"),
        (Self::Sending, "sending"),
        (Self::Unknown, "unknown"),
        (Self::Sent, "sent"),
        (Self::Delivered, "delivered"),
        (Self::Failed, "failed"),
        (Self::Suppressed, "suppressed"),
    ];

    /// Its name in the database.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// The state of that name.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state);
        known.ok_or_else(|| Error::internal(format!("a stored message has the unknown state `{name}`")))
    }

    /// The fact that tells others, once the message has come to its end.
    pub(crate) fn fact(self) -> Option<&'static str> {
        match self {
            Self::Sent => Some("message.sent"),
            Self::Delivered => Some("message.delivered"),
            // Nobody will ever know: whoever counts counts it as not sent.
            Self::Failed | Self::Unknown => Some("message.failed"),
            Self::Suppressed => Some("message.suppressed"),
            Self::Queued | Self::Deferred | Self::Sending => None,
        }
    }
}

/// One step on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) channel: String,
    pub(crate) time: Time,
    /// `sent` or a stable code.
    pub(crate) outcome: String,
    pub(crate) detail: String,
    /// Whether the provider was called.
    pub(crate) called: bool,
}

/// What changes while a message is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Keys in order of preference; at least one.
    pub(crate) channels: Vec<String>,
    /// The channel in use, or the last one tried.
    pub(crate) channel: String,
    pub(crate) state: State,
    /// Why it failed or was suppressed.
    pub(crate) reason: String,
    pub(crate) provider_id: String,
    /// Times the channel in use was called.
    pub(crate) tries: u32,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) sent: Option<Time>,
    /// When the next step is due; `None` while it is being sent and at the end.
    pub(crate) due: Option<Time>,
}

impl Progress {
    /// Due at once on the first of `channels`.
    pub(crate) fn new(channels: Vec<String>, now: Time) -> Self {
        Self {
            channel: channels.first().cloned().unwrap_or_default(),
            channels,
            state: State::Queued,
            reason: String::new(),
            provider_id: String::new(),
            tries: 0,
            attempts: Vec::new(),
            sent: None,
            due: Some(now),
        }
    }

    /// It is being handed over.
    pub(crate) fn hand_over(&mut self) {
        self.state = State::Sending;
        self.due = None;
        self.tries += 1;
    }

    /// The channel in use cannot reach the customer (`no_address`, `outside_reply_window`, …): the next one is tried at
    /// once; without one the message is suppressed, or failed when another channel had been called.
    pub(crate) fn skip(&mut self, code: &str, now: Time) {
        self.note(code, "", now, false);
        let called = self.attempts.iter().any(|attempt| attempt.called);
        self.go_on(if called { State::Failed } else { State::Suppressed }, code, now);
    }

    /// It cannot be written on any channel.
    pub(crate) fn unwritable(&mut self, code: &str, detail: &str, now: Time) {
        self.note(code, detail, now, false);
        self.end(State::Failed, code);
    }

    /// The provider answered, or did not.
    pub(crate) fn answered(&mut self, outcome: &Outcome, now: Time, retry: &Retry) {
        match outcome {
            Outcome::Sent { provider_id } => {
                self.note("sent", "", now, true);
                self.provider_id.clone_from(provider_id);
                self.sent = Some(now);
                self.end(State::Sent, "");
            }
            Outcome::Retry { fault, wait } => {
                self.note_fault(fault, now);
                match retry.after(self.tries, now, *wait) {
                    Some(due) => {
                        self.state = State::Deferred;
                        self.due = Some(due);
                    }
                    None => self.go_on(State::Failed, &fault.code, now),
                }
            }
            Outcome::Refused(fault) => {
                self.note_fault(fault, now);
                self.go_on(State::Failed, &fault.code, now);
            }
            Outcome::Unknown(fault) => {
                self.note_fault(fault, now);
                self.end(State::Unknown, &fault.code);
            }
        }
    }

    /// The process died while it was being handed over to a channel where a repetition does no harm.
    pub(crate) fn send_again(&mut self, now: Time) {
        self.state = State::Queued;
        self.tries = self.tries.saturating_sub(1);
        self.due = Some(now);
    }

    fn go_on(&mut self, end: State, code: &str, now: Time) {
        let at = self.channels.iter().position(|key| *key == self.channel);
        match at.and_then(|at| self.channels.get(at + 1)).cloned() {
            Some(next) => {
                self.channel = next;
                self.state = State::Queued;
                self.tries = 0;
                self.due = Some(now);
            }
            None => self.end(end, code),
        }
    }

    fn end(&mut self, state: State, reason: &str) {
        self.state = state;
        reason.clone_into(&mut self.reason);
        self.due = None;
    }

    fn note_fault(&mut self, fault: &Fault, now: Time) {
        self.note(&fault.code, &fault.detail, now, true);
    }

    fn note(&mut self, outcome: &str, detail: &str, time: Time, called: bool) {
        let (outcome, detail) = (outcome.to_owned(), detail.to_owned());
        self.attempts.push(Attempt { channel: self.channel.clone(), time, outcome, detail, called });
    }
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
