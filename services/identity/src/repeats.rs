//! Events that stand on the raw stream twice: two processes of ingest took the same one within moments, or one of them
//! gave up an append that came through later. Of each the first counts.
//!
//! What is remembered follows from the log and from what was committed, so that it is learnt again by whoever takes a
//! partition over, and a unit of work that is rolled back changes nothing: what it brought comes again, and at another
//! place when the log has numbered its records anew meanwhile.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::{Log, Stream};
use chassis::fact;
use kernel::event_key::Hashing;
use kernel::{Error, EventKey, Result};
use store::Delivery;

/// Events of a partition that are remembered: copies stand seconds apart.
const KEYS: usize = 200_000;
/// So much of the log, as [`Log::distance`] counts, is read at the most by whoever takes a partition over.
const DISTANCE: u64 = 1_000;
/// It is read from the end on, so much at a time, until enough is known.
const STEP: u64 = 50;
/// Entries read at once.
const READ: usize = 1_000;

/// The events that came last, by partition.
#[derive(Debug)]
pub(crate) struct Repeats {
    log: Arc<dyn Log>,
    /// Events of a partition that are remembered.
    keys: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    partitions: BTreeMap<u32, Latest>,
    /// The partition that the unit of work under way is about.
    at_work: Option<u32>,
}

impl Repeats {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self { log, keys: KEYS, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns what stands in front of a batch, which is of one partition. Reads the log, and so comes before the unit of
    /// work, which others wait for.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the log cannot be read.
    pub(crate) async fn prepare(&self, batch: &[Delivery]) -> Result<()> {
        let Some(Delivery { partition, position, .. }) = batch.first() else { return Ok(()) };
        // Nobody else asks meanwhile, and what is lost with a caller who goes away is learnt again.
        let mut latest = self.known().partitions.remove(partition).unwrap_or_default();
        let learnt = latest.catch_up(&*self.log, self.keys, (*partition, *position)).await;
        self.known().partitions.insert(*partition, latest);
        learnt
    }

    /// The events of a batch, prepared before, without those that came before: within its unit of work.
    pub(crate) fn leave_out<'a>(&self, batch: &'a [Delivery]) -> Vec<&'a Delivery> {
        let Some(Delivery { partition, .. }) = batch.first() else { return Vec::new() };
        let mut known = self.known();
        known.at_work = Some(*partition);
        let latest = known.partitions.entry(*partition).or_default();
        latest.begin();
        batch.iter().filter(|delivery| latest.is_first(delivery)).collect()
    }

    /// The unit of work was committed.
    pub(crate) fn keep(&self) {
        self.end(|latest| latest.keep(self.keys));
    }

    /// The unit of work was rolled back.
    pub(crate) fn forget(&self) {
        self.end(Latest::forget);
    }

    fn end(&self, end: impl FnOnce(&mut Latest)) {
        let mut known = self.known();
        if let Some(partition) = known.at_work.take()
            && let Some(latest) = known.partitions.get_mut(&partition)
        {
            end(latest);
        }
    }
}

/// The events of a partition that came last.
#[derive(Debug, Default)]
struct Latest {
    /// Where each came first.
    firsts: HashMap<EventKey, u64, Hashing>,
    /// The same, oldest first.
    order: VecDeque<EventKey>,
    /// Behind everything that was looked at.
    next: u64,
    /// How the unit of work under way found it.
    before: Option<Before>,
}

#[derive(Clone, Copy, Debug)]
struct Before {
    keys: usize,
    next: u64,
}

impl Latest {
    /// Looks at what stands in front of `position` and was not seen by this process.
    async fn catch_up(
        &mut self,
        log: &dyn Log,
        keys: usize,
        (partition, position): (u32, u64),
    ) -> Result<()> {
        // Of a unit of work of which nobody has said how it ended.
        self.forget();
        let first = self.next.max(log.back(position, DISTANCE));
        let (mut found, mut count, mut end) = (Vec::new(), 0, position);
        while first < end && count < keys {
            let begin = first.max(log.back(end, STEP));
            // Where this process was before is usually nothing but a gap.
            let most = if begin == self.next { 1 } else { READ };
            let events = read(log, partition, (begin, end), most).await?;
            count += events.len();
            found.push(events);
            end = begin;
        }
        for (key, position) in found.into_iter().rev().flatten() {
            self.note(key, position);
        }
        self.next = self.next.max(position);
        self.trim(keys);
        Ok(())
    }

    fn begin(&mut self) {
        self.before = Some(Before { keys: self.order.len(), next: self.next });
    }

    /// Whether it has not come before.
    fn is_first(&mut self, delivery: &Delivery) -> bool {
        self.next = self.next.max(delivery.position + 1);
        let first = self.note(fact::key(&delivery.workspace, &delivery.event), delivery.position);
        // The same place again is another try.
        first >= delivery.position
    }

    /// Where it came first: there, if it was not known.
    fn note(&mut self, key: EventKey, position: u64) -> u64 {
        *self.firsts.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            position
        })
    }

    fn keep(&mut self, keys: usize) {
        self.before = None;
        self.trim(keys);
    }

    fn forget(&mut self) {
        if let Some(Before { keys, next }) = self.before.take() {
            self.next = next;
            for key in self.order.drain(keys..) {
                self.firsts.remove(&key);
            }
        }
    }

    /// Only between units of work: one that is tried again and again must not push out what came before it.
    fn trim(&mut self, keys: usize) {
        for key in self.order.drain(..self.order.len().saturating_sub(keys)) {
            self.firsts.remove(&key);
        }
    }
}

/// The events from one position to another, in order; at first so many at once.
async fn read(
    log: &dyn Log,
    partition: u32,
    (mut from, to): (u64, u64),
    mut most: usize,
) -> Result<Vec<(EventKey, u64)>> {
    let mut keys = Vec::new();
    while from < to {
        let entries = log.read(Stream::Raw, partition, from, most).await.map_err(unlearnt)?;
        for entry in entries.iter().take_while(|entry| entry.position < to) {
            // What cannot be read was no event to anybody.
            if let Ok(delivery) = Delivery::read(partition, entry) {
                keys.push((fact::key(&delivery.workspace, &delivery.event), entry.position));
            }
        }
        from = entries.last().map_or(to, |last| last.position + 1);
        most = READ;
    }
    Ok(keys)
}

/// Whatever it is, the batch is not to blame, and must not be set aside for it.
fn unlearnt(error: Error) -> Error {
    Error::unavailable(format!("what stands on the log in front of a batch cannot be read: {error}"))
        .caused_by(error)
}

#[cfg(test)]
mod tests;
