//! Who comes in: nothing twice, nothing beyond the room there is, everything in one order.
//!
//! A request claims the keys of its events and queues them under one lock; one writer numbers and appends what is
//! queued, group by group. So sequence numbers reach the log in their order, and a key is on the log once: whoever
//! brings a claimed key again waits for the one who claimed it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chassis::{Alarm, Context};
use kernel::{Clock, Error, EventKey, Kind, Result, Time, Workspace};
use store::Database;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::config::{Config, duration};
use crate::domain::seen::{Known, Seen, day};
use crate::store::seen::Place;

/// What a record takes besides its payload, roughly.
const OVERHEAD: usize = 256;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// An event that was judged good.
#[derive(Debug)]
pub(super) struct Draft {
    /// By which it is known again.
    pub(super) seen: EventKey,
    /// The record's key.
    pub(super) key: Bytes,
    /// The encoded event.
    pub(super) payload: Bytes,
}

/// What became of the events of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not known yet.
    Waiting,
    /// On the log.
    Durable,
    /// The log refuses for now; the writer goes on trying.
    Late,
    /// The log will never take them.
    Refused(String),
}

/// The fresh events of one request, on their way to the log.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) ticket: u64,
    pub(super) workspace: Workspace,
    pub(super) drafts: Vec<Draft>,
    pub(super) day: i32,
    pub(super) outcome: watch::Sender<Outcome>,
    /// Given back when the batch is settled.
    pub(super) room: OwnedSemaphorePermit,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seen: Seen,
    pub(super) queue: VecDeque<Batch>,
    /// Requests that are not settled.
    pub(super) tickets: HashMap<u64, watch::Receiver<Outcome>>,
    pub(super) next_ticket: u64,
    /// Durable keys that are not in the table yet, with their days.
    pub(super) unflushed: Vec<(EventKey, i32)>,
    /// When the first of them came.
    pub(super) unflushed_since: Time,
    /// Up to where the log stands in `seen`, and the last sequence number given.
    pub(super) place: Place,
}

/// The gate. Shared by all doors and the writer.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(super) state: Mutex<State>,
    pub(super) wake: Notify,
    /// The log refused at the last try.
    pub(super) late: AtomicBool,
    pub(super) producer: Arc<str>,
    pub(super) db: Database,
    pub(super) clock: Clock,
    pub(super) flush: Alarm,
    pub(super) window_days: i32,
    pub(super) flush_after: Duration,
    pub(super) flush_events: usize,
    room: Arc<Semaphore>,
    room_bytes: u32,
}

impl Admission {
    /// Reads what is known, and starts the writer and the job that saves what becomes known.
    ///
    /// # Errors
    /// When the configuration is wrong, or the database or the log cannot be read.
    pub(super) async fn open(config: &Config, cx: &Context) -> Result<Arc<Self>> {
        let window = duration("deduplication.window", &config.deduplication.window)?;
        let flush_after = duration("deduplication.flush_after", &config.deduplication.flush_after)?;
        cx.relies_on_log("ingest.deduplication.flush_after", flush_after)?;
        let window_days = i32::try_from(window.as_secs().div_ceil(DAY)).unwrap_or(i32::MAX);
        let admission = Arc::new(Self {
            state: Mutex::new(super::recovery::recover(cx, window_days).await?),
            wake: Notify::new(),
            late: AtomicBool::new(false),
            producer: super::writer::producer(&cx.db),
            db: cx.db.clone(),
            clock: cx.clock.clone(),
            flush: Alarm::default(),
            window_days,
            flush_after,
            flush_events: config.deduplication.flush_events,
            room: Arc::new(Semaphore::new(usize::try_from(config.in_flight_bytes).unwrap_or(usize::MAX))),
            room_bytes: config.in_flight_bytes,
        });
        cx.tasks.spawn("ingest writer", admission.clone().write(cx.log.clone()));
        let flushing = admission.clone();
        cx.own_job("seen", admission.flush.clone(), move || flushing.clone().flush());
        if cx.db.is_shared() {
            cx.tasks.spawn("ingest follower", admission.clone().follow(cx.log.clone()));
        }
        Ok(admission)
    }

    /// Brings events in; answers how many were new and how many had come before, once all of them are durable.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] when there is no room, [`Kind::Unavailable`] when the log refuses.
    pub(super) async fn admit(
        &self,
        workspace: &Workspace,
        drafts: Vec<Draft>,
        now: Time,
    ) -> Result<(u32, u32)> {
        let offered = drafts.len();
        let (fresh, waits) = self.submit(workspace, drafts, now)?;
        for mut outcome in waits {
            let settled = outcome.wait_for(|outcome| *outcome != Outcome::Waiting).await;
            match settled.map(|outcome| outcome.clone()) {
                Ok(Outcome::Durable | Outcome::Waiting) => {}
                Ok(Outcome::Refused(message)) => return Err(Error::internal(message)),
                Ok(Outcome::Late) | Err(_) => return Err(late()),
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok((count(fresh), count(offered - fresh)))
    }

    /// Claims and queues without waiting; says how many are new and whom to wait for.
    fn submit(
        &self,
        workspace: &Workspace,
        mut drafts: Vec<Draft>,
        now: Time,
    ) -> Result<(usize, Vec<watch::Receiver<Outcome>>)> {
        if self.late.load(Ordering::Relaxed) {
            return Err(late());
        }
        let room = self.reserve(&drafts)?;
        let mut others = HashSet::new();
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.seen.forget_before(day(now).saturating_sub(self.window_days));
        drafts.retain(|draft| match state.seen.claim(draft.seen, ticket) {
            Known::New => true,
            Known::Durable => false,
            Known::Claimed(other) => {
                others.insert(other);
                false
            }
        });
        let fresh = drafts.len();
        if fresh > 0 {
            let (outcome, receiver) = watch::channel(Outcome::Waiting);
            state.tickets.insert(ticket, receiver);
            others.insert(ticket);
            let workspace = workspace.clone();
            state.queue.push_back(Batch { ticket, workspace, drafts, day: day(now), outcome, room });
        }
        let waits = others.iter().filter_map(|ticket| state.tickets.get(ticket).cloned()).collect();
        drop(state);
        if fresh > 0 {
            self.wake.notify_one();
        }
        Ok((fresh, waits))
    }

    fn reserve(&self, drafts: &[Draft]) -> Result<OwnedSemaphorePermit> {
        let bytes: usize = drafts.iter().map(|draft| OVERHEAD + draft.key.len() + draft.payload.len()).sum();
        // A batch larger than the room comes in alone.
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.room_bytes.max(1));
        self.room.clone().try_acquire_many_owned(share).map_err(|_| {
            let message = "more events wait to be stored than there is room for; send again in a second";
            Error::new(Kind::Exhausted, "INGEST_BUSY", message)
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late() -> Error {
    Error::unavailable("the event log takes no events at the moment; send the same again in a few seconds")
}

#[cfg(test)]
mod tests;
