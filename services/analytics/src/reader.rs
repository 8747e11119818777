//! Reads the log into the engine, for as long as this process holds its lease. The place in the log is saved only with a
//! flush: until then memory holds what was read, and after a crash, or by another process, it is read again.

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
use crate::engine::{Engine, Options};
use crate::events;
use crate::store::{self as register, Read};

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);
/// So often it is looked for events to be taken again.
const LOOK: Duration = Duration::from_secs(1);
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
    /// When it is looked for events to be taken again.
    look: Instant,
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
        loop {
            let held = self.leases.acquired(LEASE).await;
            let work = async {
                match self.open(held.clone()).await {
                    Ok(reading) => self.go_on(reading).await,
                    Err(error) => {
                        tracing::warn!(error = %chassis::status::chain(&error), "the events cannot be opened; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            Box::pin(held.clone().scope(work)).await;
            self.current.set(None);
        }
    }

    /// Opens what is registered, and the place in the log that belongs to it.
    async fn open(&self, held: Held) -> Result<Reading> {
        // Before it is asked where it ends.
        self.log.latest(Stream::Events).await?;
        let folder = self.options.folder.clone();
        let files = apart(move || Files::found(&folder)).await?;
        let unit = self.db.begin().await?;
        let registered = register::load(unit.db()).await?;
        let mut positions = register::places(unit.db(), self.partitions().count()).await?;
        unit.roll_back().await?;
        let (options, ids) = (self.options.clone(), self.ids.clone());
        let engine = apart(move || {
            files.remove_leftovers(&registered)?;
            Engine::open(options, ids, &registered)
        });
        let opened = Arc::new(Opened::new(held, engine.await?));
        for (partition, position) in self.partitions().zip(&mut positions) {
            position.rewind(&*self.log, Stream::Events, partition, "analytics");
            self.applied.note(partition, position.next);
        }
        self.current.set(Some(opened.clone()));
        self.compaction.ring();
        let read = Read { positions, ..Read::default() };
        Ok(Reading { opened, read, look: Instant::now() })
    }

    /// Reads on until the lease is lost.
    async fn go_on(&self, mut reading: Reading) {
        while self.keeps(&reading.opened.held).await {
            match self.round(&mut reading).await {
                Ok(true) => {}
                Ok(false) => self.rest(&reading).await,
                Err(error) if is_over(&error) => break,
                Err(error) => {
                    tracing::warn!(error = %chassis::status::chain(&error), "events could not be read or flushed; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        tracing::warn!(
            unflushed = reading.opened.engine.unflushed(),
            "another process reads the log now, or the database is another one; what was read since the last flush is read again"
        );
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
    /// read before it has succeeded: memory holds a batch more than what calls for a flush at the most.
    async fn round(&self, reading: &mut Reading) -> Result<bool> {
        let mut worked = self.flush_when_due(reading).await?;
        worked |= self.take_again(reading).await?;
        for partition in self.partitions() {
            worked |= self.flush_when_due(reading).await?;
            worked |= self.read(partition, reading).await?;
        }
        Ok(worked)
    }

    async fn read(&self, partition: u32, reading: &mut Reading) -> Result<bool> {
        let Reading { opened, read, .. } = reading;
        let Some(position) = usize::try_from(partition).ok().and_then(|at| read.positions.get_mut(at)) else {
            return Ok(false);
        };
        position.skip(&*self.log, Stream::Events, partition, "analytics");
        let entries = self.log.read(Stream::Events, partition, position.next, self.batch).await?;
        self.applied.begin(partition, &entries);
        for entry in &entries {
            if position.pass(entry)
                && let Err(error) = take(&opened.engine, partition, entry)
            {
                tracing::error!(
                    partition, position = entry.position, reason = error.reason, %error,
                    "an event is set aside as a dead letter"
                );
                read.refused.push((partition, entry.clone(), error));
            }
        }
        if opened.engine.wants_flush() || read.refused.len() >= MAX_REFUSED {
            opened.set_flush_at(Time::MIN);
        } else if !entries.is_empty() && opened.flush_at() == Time::MAX {
            opened.set_flush_at(self.clock.now().plus(self.flush_age));
        }
        self.applied.note(partition, position.next);
        Ok(!entries.is_empty())
    }

    /// Waits for events, for the moment of the next flush, or until it is to be looked for what is given again.
    async fn rest(&self, reading: &Reading) {
        self.activity.touch();
        let waits = self.partitions().zip(&reading.read.positions);
        let waits = waits.map(|(n, position)| self.log.wait(Stream::Events, n, position.next));
        tokio::select! {
            _ = select_all(waits) => {}
            () = self.clock.sleep_until(reading.opened.flush_at()) => {}
            () = tokio::time::sleep_until(reading.look + LOOK) => {}
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
