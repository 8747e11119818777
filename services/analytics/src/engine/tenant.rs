//! One workspace: its people, its segments and the events that are not in a segment yet.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kernel::{CustomerId, RecordId, Result, Time};
use wire::event::Event;

use super::columns::Names;
use super::people::{People, Placement};
use super::query::view::Snapshot;
use super::row::Row;
use super::run::{MemoryRun, Run};
use super::segment::Segment;
use crate::domain::scalar;

/// A workspace's data.
#[derive(Debug, Default)]
pub(crate) struct Tenant {
    names: Arc<Names>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    people: People,
    segments: Vec<Arc<Segment>>,
    /// In the order of the log.
    tail: Vec<Arc<Row>>,
    /// The tail sorted, as long as nothing was added.
    sorted: Option<Arc<MemoryRun>>,
    /// Earlier sorted tails, whose columns nobody needs any more.
    stale: Vec<u64>,
    /// Names and paths, so that rows share them.
    texts: HashSet<Arc<str>>,
}

impl State {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }
}

impl Tenant {
    pub(crate) fn restore(&self, placements: &[Placement], segments: Vec<Arc<Segment>>) -> Result<()> {
        let mut state = self.lock();
        state.segments = segments;
        state.people.restore(placements)
    }

    /// Takes an event in; says how many now wait for a flush.
    pub(crate) fn append(&self, event: &Event, place: (u32, u64), encoded: Bytes) -> Result<usize> {
        let record: RecordId = event.record_id.parse()?;
        let customer: CustomerId = event.customer_id.parse()?;
        let time = event.time.as_ref().map_or(Time(0), Time::from);
        let mut state = self.lock();
        let scalars = scalar::shredded(event).map(|(path, scalar)| (state.text(&path), scalar)).collect();
        let row = Row {
            record: state.people.number(record, customer),
            time: time.0,
            received: event.received_at.as_ref().map_or(time, Time::from).0,
            partition: place.0,
            position: place.1,
            name: state.text(&event.name),
            event: encoded,
            scalars,
        };
        state.tail.push(Arc::new(row));
        let replaced = state.sorted.take();
        state.stale.extend(replaced.map(|run| run.id));
        Ok(state.tail.len())
    }

    pub(crate) fn place(&self, record: RecordId, customer: CustomerId, at: Time) {
        self.lock().people.place(record, customer, at);
    }

    /// The unflushed events, sorted, and the places of records that are not saved yet.
    pub(crate) fn unflushed(&self, next_id: impl FnOnce() -> u64) -> (Arc<MemoryRun>, Vec<Placement>) {
        let mut state = self.lock();
        (sorted(&mut state, next_id), state.people.unsaved())
    }

    /// Puts a registered segment in the place of the first `rows` unflushed events.
    pub(crate) fn flushed(&self, rows: usize, segment: Arc<Segment>) {
        let mut state = self.lock();
        let rows = rows.min(state.tail.len());
        state.tail.drain(..rows);
        state.segments.push(segment);
        if state.tail.is_empty() {
            state.texts.clear();
        }
        let replaced = state.sorted.take();
        state.stale.extend(replaced.map(|run| run.id));
    }

    /// These places are in the database now.
    pub(crate) fn saved(&self, places: &[Placement]) {
        self.lock().people.saved(places);
    }

    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.lock().segments.clone()
    }

    /// Puts one segment in the place of several.
    pub(crate) fn replace(&self, old: &[String], new: Arc<Segment>) -> Vec<Arc<Segment>> {
        let mut state = self.lock();
        let (gone, mut kept): (Vec<_>, Vec<_>) =
            state.segments.drain(..).partition(|segment| old.contains(&segment.meta.file));
        kept.push(new);
        state.segments = kept;
        gone
    }

    /// Everything as it is now, and the runs whose columns may be forgotten.
    pub(crate) fn snapshot(&self, next_id: impl FnOnce() -> u64) -> (Snapshot, Vec<u64>) {
        let mut state = self.lock();
        let mut runs: Vec<Run> = state.segments.iter().cloned().map(Run::File).collect();
        if !state.tail.is_empty() {
            runs.push(Run::Memory(sorted(&mut state, next_id)));
        }
        let snapshot = Snapshot { runs, people: state.people.grouping(), names: self.names.clone() };
        (snapshot, std::mem::take(&mut state.stale))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sorted(state: &mut State, next_id: impl FnOnce() -> u64) -> Arc<MemoryRun> {
    let run = match state.sorted.take() {
        Some(run) => run,
        None => Arc::new(MemoryRun::new(next_id(), state.tail.clone())),
    };
    state.sorted = Some(run.clone());
    run
}
