//! Everything the simulator remembers, in memory, behind one lock that is never held while waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Clock;
use serde::Serialize;
use serde_json::Value;

use crate::account::Account;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::seeded::Seeded;

/// What every handler shares.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) client: reqwest::Client,
    seed: u64,
    keep: usize,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(options: crate::Options, client: reqwest::Client) -> Self {
        let crate::Options { clock, seed, limits, keep } = options;
        Self { clock, limits, client, seed, keep, state: Mutex::new(State::new(seed, keep)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to the beginning, seed included.
    pub(crate) fn reset(&self) {
        *self.lock() = State::new(self.seed, self.keep);
    }
}

/// The remembered.
pub(crate) struct State {
    /// By app id.
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) faults: Vec<Fault>,
    /// Requests of the platform side.
    pub(crate) log: Recent<Requested>,
    pub(crate) deliveries: Recent<Delivery>,
    pub(crate) sent: Recent<Sent>,
    pub(crate) mails: Recent<Value>,
    /// By name of the sink.
    pub(crate) webhooks: BTreeMap<String, Recent<Value>>,
    /// Openids, unionids and message ids: depend on the actions only.
    pub(crate) people: Seeded,
    /// Tokens, nonces, traces: depend on traffic.
    pub(crate) noise: Seeded,
    keep: usize,
}

impl State {
    fn new(seed: u64, keep: usize) -> Self {
        Self {
            accounts: BTreeMap::new(),
            faults: Vec::new(),
            log: Recent::new(keep),
            deliveries: Recent::new(keep),
            sent: Recent::new(keep),
            mails: Recent::new(keep),
            webhooks: BTreeMap::new(),
            people: Seeded::new(seed, 1),
            noise: Seeded::new(seed, 2),
            keep,
        }
    }

    /// The sink of that name, made when it is not there.
    pub(crate) fn webhook(&mut self, name: &str) -> &mut Recent<Value> {
        let keep = self.keep;
        self.webhooks.entry(name.to_owned()).or_insert_with(|| Recent::new(keep))
    }
}

/// The last so many of something.
pub(crate) struct Recent<T> {
    items: VecDeque<T>,
    keep: usize,
}

impl<T> Recent<T> {
    fn new(keep: usize) -> Self {
        Self { items: VecDeque::new(), keep }
    }

    pub(crate) fn push(&mut self, item: T) {
        self.items.push_back(item);
        if self.items.len() > self.keep {
            self.items.pop_front();
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }
}

/// A request of the platform side. Times here and below are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Requested {
    pub(crate) at: String,
    /// Empty when the request does not tell.
    pub(crate) app_id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

/// A customer-service message the platform took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sent {
    pub(crate) at: String,
    pub(crate) app_id: String,
    pub(crate) openid: String,
    pub(crate) msgtype: String,
    /// The whole request body.
    pub(crate) message: Value,
}

/// One callback and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) at: String,
    pub(crate) app_id: String,
    pub(crate) openid: String,
    pub(crate) action: crate::action::Kind,
    /// The open XML; empty for the verification of the URL.
    pub(crate) xml: String,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) outcome: Outcome,
    /// Why it failed; empty otherwise.
    pub(crate) reason: String,
    /// The passive reply, opened, by element name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<BTreeMap<String, String>>,
}

/// One try.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attempt {
    pub(crate) at: String,
    /// HTTP status; absent when there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why it is not the last word; empty when it is.
    pub(crate) error: String,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Empty or `success`, or the `echostr` of a verification.
    Acknowledged,
    /// With a passive reply.
    Replied,
    /// All attempts failed, or the reply was wrong.
    Failed,
}
