//! Reads the log into an engine, for as long as it runs. Under the lease the engine is flushed, and the place in the log
//! saved with that: until then memory holds what was read, and after a crash, or by another process, it is read again.
//! Without the lease nothing is written: what is registered is opened anew when it has changed, and the log read from
//! there.

mod again;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Entry, Log, Stream};
use chassis::Alarm;
use futures::future::select_all;
use kernel::{Activity, Clock, Error, Ids, Result, Time};
use store::position::Position;
use store::{Applied, Database, Delivery, Held, Leases};
use tokio::time::Instant;

use crate::current::{Current, LEASE, Opened};
use crate::engine::files::Files;
use crate::engine::segment::SegmentMeta;
use crate::engine::{Engine, Options};
use crate::events;
use crate::store::{self as register, Read};

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);
/// So often it is looked for events to be taken again.
const LOOK: Duration = Duration::from_secs(1);
/// So often it is looked whether another process has registered something.
const GLANCE: Duration = Duration::from_secs(10);
/// Longest wait for the lease before a process only reads.
const COURTESY: Duration = Duration::from_secs(1);
/// Refused events in memory at which they are set aside.
const MAX_REFUSED: usize = 1_000;

/// The loop.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) db: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) activity: Activity,
    pub(crate) leases: Leases,
    /// Of the engine.
    pub(crate) options: Options,
    /// Where the engine is found by those who use it.
    pub(crate) current: Current,
    /// How far the log has been read.
    pub(crate) applied: Applied,
    /// Entries read at a time.
    pub(crate) batch: usize,
    /// The age at which events are flushed.
    pub(crate) flush_age: Duration,
    /// Rung when there are new segments.
    pub(crate) compaction: Alarm,
}

/// An engine being filled.
#[derive(Debug)]
struct Reading {
    opened: Arc<Opened>,
    read: Read,
    /// What was registered when it was opened.
    segments: Vec<SegmentMeta>,
    /// Whether calls are answered from it: not before it has read as much as the one before.
    is_shown: bool,
    /// When it was last looked what others did: asked for events to be taken again, or registered something.
    look: Instant,
}

impl Reading {
    fn writes(&self) -> bool {
        self.opened.writes()
    }

    fn has_read(&self, ends: &[u64]) -> bool {
        self.read.positions.iter().zip(ends).all(|(position, end)| position.next >= *end)
    }
}

impl Reader {
    /// Reads until cancelled; dropping the future at any point is safe. Known to the activity from the call on.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        let (current, applied, clock) = (self.current.clone(), self.applied.clone(), self.clock.clone());
        let idle = move || applied.is_idle() && current.is_flushed(clock.now());
        self.activity.register("analytics events", idle);
        self.repeat()
    }

    async fn repeat(self) {
        // Who starts alone need not open everything twice.
        drop(tokio::time::timeout(COURTESY, self.leases.acquired(LEASE)).await);
        loop {
            let held = self.leases.held(LEASE);
            let work = async {
                match self.open(held.clone()).await {
                    Ok(reading) => self.go_on(reading).await,
                    Err(error) => {
                        tracing::warn!(error = %chassis::status::chain(&error), "the events cannot be opened; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            match held.clone() {
                Some(held) => Box::pin(held.scope(work)).await,
                None => Box::pin(work).await,
            }
        }
    }

    /// Opens what is registered, and the place in the log that belongs to it.
    async fn open(&self, held: Option<Held>) -> Result<Reading> {
        // Before it is asked where it ends.
        self.log.latest(Stream::Events).await?;
        let folder = self.options.folder.clone();
        let files = apart(move || Files::found(&folder)).await?;
        let partitions = self.partitions().count();
        let (registered, mut positions) = match &held {
            Some(_) => register::load(&self.db, partitions).await?,
            None => register::glance(&self.db, partitions).await?,
        };
        let segments = registered.segments.clone();
        let (options, ids, writes) = (self.options.clone(), self.ids.clone(), held.is_some());
        let engine = apart(move || {
            let engine = Engine::open(options, ids, &registered)?;
            if writes {
                engine.add_unneeded(files.leftovers(&registered));
                engine.remove_unneeded();
            }
            Ok(engine)
        });
        let opened = Arc::new(Opened::new(held, engine.await?));
        for (partition, position) in self.partitions().zip(&mut positions) {
            position.rewind(&*self.log, Stream::Events, partition, "analytics");
        }
        let read = Read { positions, ..Read::default() };
        Ok(Reading { opened, read, segments, is_shown: false, look: Instant::now() })
    }

    /// Calls are answered from it from now on.
    fn show(&self, reading: &mut Reading) {
        reading.is_shown = true;
        self.current.set(Some(reading.opened.clone()));
        for (partition, position) in self.partitions().zip(&reading.read.positions) {
            self.applied.note(partition, position.next);
        }
        self.compaction.ring();
    }

    /// Where a new engine must have come before calls are answered from it: as far as the one before, and, if others write,
    /// as far as they may have answered. A log that became shorter has no more than it has.
    fn goal(&self, reading: &Reading) -> Vec<u64> {
        let ends = self.partitions().map(|partition| self.log.end(Stream::Events, partition));
        if !reading.writes() {
            return ends.collect();
        }
        let seen = if self.current.is_open() { self.applied.positions() } else { Vec::new() };
        ends.zip(seen).map(|(end, seen)| seen.min(end)).collect()
    }

    /// Reads on until the lease changes hands, or until another process has registered something.
    async fn go_on(&self, mut reading: Reading) {
        let goal = self.goal(&reading);
        while self.is_ours(&mut reading).await {
            if !reading.is_shown && reading.has_read(&goal) {
                self.show(&mut reading);
            }
            match self.round(&mut reading).await {
                Ok(true) => {}
                Ok(false) => self.rest(&reading).await,
                Err(error) if is_over(&error) => {
                    tracing::warn!(
                        error = %chassis::status::chain(&error),
                        "another process writes now, or the database is another one"
                    );
                    if Position::has_moved(&error) {
                        // What was read may never have been there.
                        self.current.set(None);
                    }
                    break;
                }
                Err(error) => {
                    tracing::warn!(error = %chassis::status::chain(&error), "events could not be read or flushed; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        let (writes, unflushed) = (reading.writes(), reading.opened.engine.unflushed());
        tracing::info!(writes, unflushed, "what is registered is opened anew, and read on from there");
    }

    /// Whether this engine is still the one to be filled.
    async fn is_ours(&self, reading: &mut Reading) -> bool {
        match &reading.opened.held {
            Some(held) => self.keeps(held).await,
            None => self.leases.held(LEASE).is_none() && !self.is_outdated(reading).await,
        }
    }

    /// Whether another process has registered something meanwhile. Files of segments that it has made one are kept for a
    /// while, so that this need not be known at once.
    async fn is_outdated(&self, reading: &mut Reading) -> bool {
        let pause = if reading.opened.engine.is_full() { LOOK } else { GLANCE };
        if reading.look.elapsed() < pause {
            return false;
        }
        reading.look = Instant::now();
        match register::segments(self.db.read()).await {
            Ok(segments) => segments != reading.segments,
            Err(error) => {
                tracing::warn!(error = %chassis::status::chain(&error), "what others have written cannot be looked up; trying again");
                false
            }
        }
    }

    /// Whether the lease is still this process's. One that was not renewed in time may be or not: nothing is read before
    /// the database has said so.
    async fn keeps(&self, held: &Held) -> bool {
        let mut waited = false;
        while self.leases.held(LEASE).as_ref() != Some(held) {
            waited = true;
            match self.db.begin().await {
                Err(error) if Held::is_lost(&error) => return false,
                Err(error) => {
                    tracing::warn!(error = %kernel::chain(&error), "the lease of the log cannot be looked up; trying again")
                }
                Ok(_ours) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        if waited {
            // Rung meanwhile it found nobody to work for.
            self.compaction.ring();
        }
        true
    }

    /// One batch of each partition; says whether there was anything to do. Whenever a flush is due, nothing further is
    /// read before it has succeeded: memory holds a batch more than what calls for a flush at the most, and twice as much
    /// where another process flushes.
    async fn round(&self, reading: &mut Reading) -> Result<bool> {
        let mut worked = false;
        if reading.writes() {
            reading.opened.engine.remove_unneeded();
            worked |= self.flush_when_due(reading).await?;
            worked |= self.take_again(reading).await?;
        }
        for partition in self.partitions() {
            worked |= self.flush_when_due(reading).await?;
            worked |= self.read(partition, reading).await?;
        }
        Ok(worked)
    }

    async fn read(&self, partition: u32, reading: &mut Reading) -> Result<bool> {
        let Reading { opened, read, is_shown, .. } = reading;
        let Some(position) = usize::try_from(partition).ok().and_then(|at| read.positions.get_mut(at)) else {
            return Ok(false);
        };
        if !opened.writes() && opened.engine.is_full() {
            return Ok(false);
        }
        position.skip(&*self.log, Stream::Events, partition, "analytics");
        let entries = self.log.read(Stream::Events, partition, position.next, self.batch).await?;
        if *is_shown {
            self.applied.begin(partition, &entries);
        }
        for entry in &entries {
            if position.pass(entry)
                && let Err(error) = take(&opened.engine, partition, entry)
                && opened.writes()
            {
                tracing::error!(
                    partition, position = entry.position, reason = error.reason, %error,
                    "an event is set aside as a dead letter"
                );
                read.refused.push((partition, entry.clone(), error));
            }
        }
        if opened.writes() {
            if opened.engine.wants_flush() || read.refused.len() >= MAX_REFUSED {
                opened.set_flush_at(Time::MIN);
            } else if !entries.is_empty() && opened.flush_at() == Time::MAX {
                opened.set_flush_at(self.clock.now().plus(self.flush_age));
            }
        }
        if *is_shown {
            self.applied.note(partition, position.next);
        }
        Ok(!entries.is_empty())
    }

    /// Waits for events, for the moment of the next flush, or until it is to be looked for what others did.
    async fn rest(&self, reading: &Reading) {
        self.activity.touch();
        let waits = self.partitions().zip(&reading.read.positions);
        let waits = waits.map(|(n, position)| self.log.wait(Stream::Events, n, position.next));
        let look = if reading.writes() { reading.look } else { Instant::now() } + LOOK;
        tokio::select! {
            _ = select_all(waits), if reading.writes() || !reading.opened.engine.is_full() => {}
            () = self.clock.sleep_until(reading.opened.flush_at()) => {}
            () = tokio::time::sleep_until(look) => {}
        }
    }

    /// Once written, a flush is registered however often that takes, as long as the lease is this process's: a commit that
    /// failed may have been made all the same, and the same flush once more changes nothing then.
    async fn flush_when_due(&self, reading: &mut Reading) -> Result<bool> {
        let Reading { opened, read, .. } = reading;
        if opened.flush_at() > self.clock.now() {
            return Ok(false);
        }
        let flush = blocking(&opened.engine, |engine| engine.prepare()).await?;
        while let Err(error) = register::register_flush(&self.db, &flush, read).await {
            if is_over(&error) {
                return Err(error);
            }
            tracing::warn!(error = %chassis::status::chain(&error), "a flush could not be registered; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        opened.engine.install(&flush);
        read.positions.iter_mut().for_each(Position::note_kept);
        read.refused.clear();
        read.taken.clear();
        self.compaction.ring();
        opened.set_flush_at(Time::MAX);
        // Letting go of so many events takes a while.
        apart(move || {
            drop(flush);
            Ok(true)
        })
        .await
    }

    fn partitions(&self) -> std::ops::Range<u32> {
        0..self.log.partitions()
    }
}

/// Whether what memory has read is of no use any more.
fn is_over(error: &kernel::Error) -> bool {
    Held::is_lost(error) || Position::has_moved(error)
}

fn take(engine: &Engine, partition: u32, entry: &Entry) -> Result<()> {
    events::take(engine, &Delivery::read(partition, entry)?)
}

/// Runs work of the engine where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    engine: &Arc<Engine>,
    work: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
) -> Result<T> {
    let engine = engine.clone();
    apart(move || work(&engine)).await
}

/// Runs work where it may block.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal("work of the engine was interrupted").caused_by(cause))?
}

#[cfg(test)]
mod tests;
