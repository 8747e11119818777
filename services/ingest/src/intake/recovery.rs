//! After a start: what former processes accepted, from the table and, behind its place, from the log itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus::{Entry, Log, Stream};
use chassis::{Context, fact};
use futures::future::select_all;
use kernel::{EventKey, Result, Time};
use prost::Message as _;
use wire::event::Event;

use super::admission::{Admission, State};
use super::writer::PRODUCER;
use crate::domain::seen::{Seen, day};
use crate::store::seen;

/// Entries read at once.
const READ: usize = 1_000;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Everything that is known, before anything is accepted: what is on the log is known again, answered for or not.
///
/// Sequence numbers go on behind the highest on the log, and not below the clock's microseconds: should the log and the
/// database both have been lost, readers still see higher numbers than before.
pub(super) async fn recover(cx: &Context, window_days: i32) -> Result<State> {
    let now = cx.clock.now();
    let first = day(now).saturating_sub(window_days);
    let mut state = State {
        seen: Seen::default(),
        queue: VecDeque::new(),
        tickets: HashMap::new(),
        next_ticket: 0,
        unflushed: Vec::new(),
        unflushed_since: now,
        place: seen::place(cx.db.read(), &*cx.log).await?,
    };
    let known = &mut state.seen;
    seen::load(cx.db.read(), first, |key, day| {
        known.insert(key, day);
    })
    .await?;
    cx.log.latest(Stream::Raw).await?;
    for partition in 0..cx.log.partitions() {
        replay(cx, partition, first, &mut state).await?;
    }
    state.place.sequence = state.place.sequence.max(u64::try_from(now.0).unwrap_or(0));
    Ok(state)
}

async fn replay(cx: &Context, partition: u32, first: i32, state: &mut State) -> Result<()> {
    loop {
        let entries = cx.log.read(Stream::Raw, partition, place(state, partition), READ).await?;
        if entries.is_empty() {
            return Ok(());
        }
        learn(state, partition, &entries, first);
    }
}

impl Admission {
    /// Learns what other processes accept, for ever. The log is a few milliseconds behind: a repetition that comes to this
    /// process before it has heard of the event goes onto the log again, where identity knows it.
    pub(super) async fn follow(self: Arc<Self>, log: Arc<dyn Log>) {
        loop {
            let places: Vec<u64> = self.lock().place.next.clone();
            let waits = (0..).zip(&places).map(|(partition, next)| log.wait(Stream::Raw, partition, *next));
            select_all(waits).await;
            for partition in 0..log.partitions() {
                if let Err(error) = self.read_on(&*log, partition).await {
                    tracing::warn!(error = %kernel::chain(&error), partition, "what others accept cannot be read; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Learns everything that anybody was answered for before the call.
    ///
    /// # Errors
    /// When the log cannot be asked or read.
    pub(super) async fn catch_up(&self, log: &dyn Log) -> Result<()> {
        log.latest(Stream::Raw).await?;
        for partition in 0..log.partitions() {
            let end = log.end(Stream::Raw, partition);
            while place(&self.lock(), partition) < end && self.read_on(log, partition).await? {}
        }
        Ok(())
    }

    /// Learns what stands next in a partition; says whether there was anything.
    async fn read_on(&self, log: &dyn Log, partition: u32) -> Result<bool> {
        let next = place(&self.lock(), partition);
        let entries = log.read(Stream::Raw, partition, next, READ).await?;
        if entries.is_empty() {
            advance(&mut self.lock(), partition, log.start(Stream::Raw, partition));
            return Ok(false);
        }
        let now = self.clock.now();
        let first = day(now).saturating_sub(self.window_days);
        let mut state = self.lock();
        let begins = state.unflushed.is_empty();
        learn(&mut state, partition, &entries, first);
        if begins && !state.unflushed.is_empty() {
            state.unflushed_since = now;
            self.flush.ring();
        }
        Ok(true)
    }
}

/// Where the log has been learnt up to.
fn place(state: &State, partition: u32) -> u64 {
    usize::try_from(partition).ok().and_then(|at| state.place.next.get(at)).copied().unwrap_or(u64::MAX)
}

fn advance(state: &mut State, partition: u32, to: u64) {
    let next = usize::try_from(partition).ok().and_then(|at| state.place.next.get_mut(at));
    if let Some(next) = next {
        *next = to.max(*next);
    }
}

fn learn(state: &mut State, partition: u32, entries: &[Entry], first: i32) {
    for entry in entries {
        if &*entry.record.producer == PRODUCER {
            state.place.sequence = state.place.sequence.max(entry.record.sequence);
        }
        if let Some((key, day)) = key_of(entry).filter(|(_, day)| *day >= first)
            && state.seen.insert(key, day)
        {
            state.unflushed.push((key, day));
        }
        advance(state, partition, entry.position + 1);
    }
}

/// `None` for a payload that is no event: nobody can send it again.
fn key_of(entry: &Entry) -> Option<(EventKey, i32)> {
    let event = Event::decode(entry.record.payload.clone()).ok()?;
    let accepted = event.received_at.as_ref().map(Time::from).unwrap_or_default();
    Some((fact::key(&entry.record.workspace, &event), day(accepted)))
}
