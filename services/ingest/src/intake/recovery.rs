//! After a start: what former processes accepted, from the table and, behind its place, from the log itself.

use std::collections::{HashMap, VecDeque};

use bus::{Entry, Stream};
use chassis::Context;
use kernel::{Result, Time};
use prost::Message as _;
use wire::event::Event;

use super::admission::State;
use super::writer::PRODUCER;
use crate::domain::seen::{Key, Seen, day};
use crate::store::seen;

/// Entries read at once.
const READ: usize = 1_000;

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
    for partition in 0..cx.log.partitions() {
        replay(cx, partition, first, &mut state).await?;
    }
    state.place.sequence = state.place.sequence.max(u64::try_from(now.0).unwrap_or(0));
    Ok(state)
}

async fn replay(cx: &Context, partition: u32, first: i32, state: &mut State) -> Result<()> {
    let slot = usize::try_from(partition).unwrap_or(usize::MAX);
    loop {
        let Some(next) = state.place.next.get(slot).copied() else { return Ok(()) };
        let entries = cx.log.read(Stream::Raw, partition, next, READ).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        let behind = last.position + 1;
        for entry in &entries {
            if &*entry.record.producer == PRODUCER {
                state.place.sequence = state.place.sequence.max(entry.record.sequence);
            }
            if let Some((key, day)) = key_of(entry).filter(|(_, day)| *day >= first)
                && state.seen.insert(key, day)
            {
                state.unflushed.push((key, day));
            }
        }
        if let Some(next) = state.place.next.get_mut(slot) {
            *next = behind;
        }
    }
}

/// `None` for a payload that is no event: nobody can send it again.
fn key_of(entry: &Entry) -> Option<(Key, i32)> {
    let event = Event::decode(entry.record.payload.clone()).ok()?;
    let source = event.context.as_ref().map_or("", |context| &context.source_key);
    let accepted = event.received_at.as_ref().map(Time::from).unwrap_or_default();
    Some((Key::new(&entry.record.workspace, source, &event.id), day(accepted)))
}
