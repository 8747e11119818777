//! The one writer: numbers what is queued, appends it, and only then lets the doors answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::{Log, Record, Stream};
use kernel::Result;
use store::Database;
use tokio::time::Instant;

use super::admission::{Admission, Batch, Outcome};

/// Who appends, in every record.
pub(super) const PRODUCER: &str = "ingest";

/// The same of one process among several: each counts for itself, from the clock on.
pub(super) fn producer(db: &Database) -> Arc<str> {
    if db.is_shared() { format!("{PRODUCER}/{}", db.replica()).into() } else { PRODUCER.into() }
}

/// One append takes no further request beyond so many records …
const GROUP_RECORDS: usize = 10_000;
/// … or so many bytes.
const GROUP_BYTES: usize = 4 << 20;
/// Pause after the log refused.
const PAUSE: Duration = Duration::from_millis(200);
/// What other processes have accepted must have been heard no longer ago when something is appended. A process that stood
/// still finds calls in its sockets which their callers have long made elsewhere.
const HEARSAY: Duration = Duration::from_secs(1);

impl Admission {
    /// Appends for ever, and is the only one to hold the log: a stopped process lets go of it.
    ///
    /// Dropping the future at any point is safe: what was not answered for will be sent again, and
    /// what reached the log is known after a restart.
    pub(super) async fn write(self: Arc<Self>, log: Arc<dyn Log>) {
        let mut heard = Some(Instant::now());
        loop {
            let (group, records) = self.take();
            if group.is_empty() {
                self.wake.notified().await;
                continue;
            }
            let appended = self.append(&*log, &group, records, &mut heard).await;
            self.settle(&*log, group, appended);
        }
    }

    /// The next group, numbered. Numbers only grow, in the order of the queue.
    fn take(&self) -> (Vec<Batch>, Vec<Record>) {
        let mut state = self.lock();
        let (mut group, mut records, mut bytes) = (Vec::new(), Vec::new(), 0);
        while records.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
            let Some(batch) = state.queue.pop_front() else { break };
            for draft in &batch.drafts {
                state.place.sequence += 1;
                bytes += draft.payload.len();
                records.push(Record {
                    workspace: batch.workspace.clone(),
                    key: draft.key.clone(),
                    producer: self.producer.clone(),
                    sequence: state.place.sequence,
                    payload: draft.payload.clone(),
                });
            }
            group.push(batch);
        }
        (group, records)
    }

    /// Appends until it is done. What fails may be on the log in part: it is appended again under the same numbers, by
    /// which readers know it. The callers need not wait for that.
    async fn append(
        &self,
        log: &dyn Log,
        group: &[Batch],
        records: Vec<Record>,
        heard: &mut Option<Instant>,
    ) -> Result<()> {
        loop {
            let appended = if self.db.is_shared() {
                self.append_unheard_of(log, group, &records, heard).await
            } else {
                log.append(Stream::Raw, records.clone()).await
            };
            match appended {
                Ok(()) => {
                    self.late.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) if error.kind.retryable() => {
                    tracing::warn!(error = %kernel::chain(&error), records = records.len(), "the event log refused; trying again");
                    self.late.store(true, Ordering::Relaxed);
                    *heard = None;
                    for batch in group {
                        batch.outcome.send_replace(Outcome::Late);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends what no other process has, as far as can be known: another may append the same at the same moment, and what
    /// was given up may still be on its way. Identity leaves out what stands on the log twice.
    ///
    /// `heard` says up to when it is known what others have; `None` after a failure: those who waited here will have come
    /// to them meanwhile.
    async fn append_unheard_of(
        &self,
        log: &dyn Log,
        group: &[Batch],
        records: &[Record],
        heard: &mut Option<Instant>,
    ) -> Result<()> {
        if heard.is_some_and(|when| when.elapsed() < HEARSAY) {
            return log.append(Stream::Raw, records.to_vec()).await;
        }
        let asked = Instant::now();
        self.catch_up(log).await?;
        let records = self.unheard_of(group, records);
        log.append(Stream::Raw, records).await?;
        *heard = Some(asked);
        Ok(())
    }

    /// Those of the records of `group` whose events are not on the log.
    fn unheard_of(&self, group: &[Batch], records: &[Record]) -> Vec<Record> {
        let state = self.lock();
        let keys = group.iter().flat_map(|batch| &batch.drafts).map(|draft| draft.seen);
        let unheard_of = keys.zip(records).filter(|(key, _)| !state.seen.is_durable(*key));
        unheard_of.map(|(_, record)| record.clone()).collect()
    }

    fn settle(&self, log: &dyn Log, group: Vec<Batch>, appended: Result<()>) {
        let outcome = match appended {
            Ok(()) => Outcome::Durable,
            Err(error) => Outcome::Refused(format!("the event log refused for good: {error}")),
        };
        let ring = {
            let mut state = self.lock();
            let before = state.unflushed.len();
            for batch in &group {
                for draft in &batch.drafts {
                    if outcome == Outcome::Durable {
                        state.seen.settle(draft.seen, batch.day);
                        state.unflushed.push((draft.seen, batch.day));
                    } else {
                        state.seen.release(draft.seen);
                    }
                }
                state.tickets.remove(&batch.ticket);
            }
            // Nobody else appends to this stream: up to here, everything is in `seen`. Else the follower says so.
            if !self.db.is_shared() {
                for (partition, next) in (0..).zip(&mut state.place.next) {
                    *next = log.end(Stream::Raw, partition);
                }
            }
            if before == 0 {
                state.unflushed_since = self.clock.now();
            }
            before == 0 || (before < self.flush_events && state.unflushed.len() >= self.flush_events)
        };
        if ring {
            self.flush.ring();
        }
        for batch in group {
            batch.outcome.send_replace(outcome.clone());
            drop(batch.room);
        }
    }
}
