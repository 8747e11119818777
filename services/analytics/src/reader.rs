//! Reads the log into the engine. The place in the log is saved only with a flush: until then memory holds what was
//! read, and after a crash it is read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bus::{Log, Stream};
use chassis::{Alarm, Context};
use futures::future::select_all;
use kernel::{Error, Result, Time};
use store::Delivery;
use store::position::Position;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::{events, store as register};

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);
/// Refused events in memory at which they are set aside.
const MAX_REFUSED: usize = 1_000;

/// How far the log has been read. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    log: Arc<dyn Log>,
    next: Arc<Vec<watch::Sender<u64>>>,
    /// When the events in memory must be flushed, µs.
    flush_at: Arc<AtomicI64>,
}

impl Progress {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        let next = (0..log.partitions()).map(|_| watch::Sender::new(0)).collect();
        Self { log, next: Arc::new(next), flush_at: Arc::new(AtomicI64::new(i64::MAX)) }
    }

    /// Partitions of the stream.
    pub(crate) fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    /// Returns when everything before `position` of a partition has been read; at once for a partition that is not.
    pub(crate) async fn reached(&self, partition: u32, position: u64) {
        if let Some(next) = usize::try_from(partition).ok().and_then(|at| self.next.get(at)) {
            // The sender lives in `self.next`: waiting cannot fail.
            let _reached = next.subscribe().wait_for(|next| *next >= position).await.is_ok();
        }
    }

    fn note(&self, partition: u32, next: u64) {
        if let Some(slot) = usize::try_from(partition).ok().and_then(|at| self.next.get(at)) {
            slot.send_replace(next);
        }
    }

    fn is_idle(&self, now: Time) -> bool {
        let read =
            (0..).zip(self.next.iter()).all(|(n, next)| *next.borrow() >= self.log.end(Stream::Events, n));
        read && self.flush_at.load(Ordering::SeqCst) > now.0
    }
}

/// What was read since the last flush, besides what the engine holds.
#[derive(Debug)]
struct Read {
    /// By partition.
    positions: Vec<Position>,
    /// Events that the engine would not take.
    refused: Vec<(Delivery, Error)>,
}

/// The loop.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) cx: Context,
    pub(crate) engine: Arc<Engine>,
    pub(crate) progress: Progress,
    /// Entries read at a time.
    pub(crate) batch: usize,
    /// The age at which events are flushed.
    pub(crate) flush_age: Duration,
    /// Rung after each flush.
    pub(crate) compaction: Alarm,
}

impl Reader {
    /// Reads until cancelled; dropping the future at any point is safe.
    pub(crate) async fn run(self) {
        let (progress, clock) = (self.progress.clone(), self.cx.clock.clone());
        self.cx.activity.register("analytics events", move || progress.is_idle(clock.now()));
        let mut read = Read { positions: self.load().await, refused: Vec::new() };
        loop {
            match self.round(&mut read).await {
                Ok(true) => {}
                Ok(false) => self.rest(&read.positions).await,
                Err(error) => {
                    tracing::warn!(error = %chassis::status::chain(&error), "events could not be read or flushed; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn load(&self) -> Vec<Position> {
        loop {
            let loads = async {
                // Before it is asked where it ends.
                self.cx.log.latest(Stream::Events).await?;
                let partitions = 0..self.cx.log.partitions();
                let loads = partitions.map(|n| Position::load(self.cx.db.read(), Stream::Events, n));
                futures::future::try_join_all(loads).await
            };
            match loads.await {
                Ok(mut positions) => {
                    (0..).zip(&mut positions).for_each(|(n, position)| self.rewind(n, position));
                    return positions;
                }
                Err(error) => {
                    tracing::warn!(%error, "log positions could not be read; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// A log that is shorter than what was read of it was emptied or restored. Reading it from its start is safe:
    /// repetitions are known by producer and sequence.
    fn rewind(&self, partition: u32, position: &mut Position) {
        if position.next > self.cx.log.end(Stream::Events, partition) {
            tracing::error!(
                partition,
                "the log is shorter than what was read of it; reading it from its start"
            );
            position.next = self.cx.log.start(Stream::Events, partition);
        }
    }

    /// One batch of each partition, and a flush when it is time; says whether there was anything to do.
    async fn round(&self, read: &mut Read) -> Result<bool> {
        let mut worked = false;
        for (partition, position) in (0..).zip(read.positions.iter_mut()) {
            worked |= self.read(partition, position, &mut read.refused).await?;
            self.progress.note(partition, position.next);
        }
        let full = self.engine.wants_flush() || read.refused.len() >= MAX_REFUSED;
        if full || self.flush_at() <= self.cx.clock.now() {
            self.flush(read).await?;
            worked = true;
        }
        Ok(worked)
    }

    async fn read(
        &self,
        partition: u32,
        position: &mut Position,
        refused: &mut Vec<(Delivery, Error)>,
    ) -> Result<bool> {
        let entries = self.cx.log.read(Stream::Events, partition, position.next, self.batch).await?;
        for entry in &entries {
            if !position.pass(entry) {
                continue;
            }
            match Delivery::read(partition, entry) {
                Ok(delivery) => {
                    if let Err(error) = events::take(&self.engine, &delivery) {
                        refused.push((delivery, error));
                    }
                }
                Err(error) => {
                    tracing::error!(
                        partition,
                        position = entry.position,
                        reason = error.reason,
                        "an entry was left out"
                    );
                }
            }
        }
        if entries.is_empty() {
            // What was not read is not kept any more.
            position.next = position.next.max(self.cx.log.start(Stream::Events, partition));
        }
        if !entries.is_empty() && self.flush_at() == Time::MAX {
            self.set_flush_at(self.cx.clock.now().plus(self.flush_age));
        }
        Ok(!entries.is_empty())
    }

    /// Waits for events, or for the moment of the next flush.
    async fn rest(&self, positions: &[Position]) {
        self.cx.activity.touch();
        let waits =
            (0..).zip(positions).map(|(n, position)| self.cx.log.wait(Stream::Events, n, position.next));
        tokio::select! {
            _ = select_all(waits) => {}
            () = self.cx.clock.sleep_until(self.flush_at()) => {}
        }
    }

    /// Once written, a flush is registered however often that takes: a commit that failed may have been made all the
    /// same, and the same flush once more changes nothing then.
    async fn flush(&self, read: &mut Read) -> Result<()> {
        let flush = blocking(&self.engine, |engine| engine.prepare()).await?;
        while let Err(error) =
            register::register_flush(&self.cx.db, &flush, &read.positions, &read.refused).await
        {
            tracing::warn!(error = %chassis::status::chain(&error), "a flush could not be registered; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        self.engine.install(&flush);
        read.refused.clear();
        self.compaction.ring();
        self.set_flush_at(Time::MAX);
        // Letting go of so many events takes a while.
        blocking(&self.engine, move |_| {
            drop(flush);
            Ok(())
        })
        .await
    }

    fn flush_at(&self) -> Time {
        Time(self.progress.flush_at.load(Ordering::SeqCst))
    }

    fn set_flush_at(&self, at: Time) {
        self.progress.flush_at.store(at.0, Ordering::SeqCst);
    }
}

/// Runs work of the engine where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    engine: &Arc<Engine>,
    work: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
) -> Result<T> {
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || work(&engine))
        .await
        .map_err(|cause| Error::internal("work of the engine was interrupted").caused_by(cause))?
}
