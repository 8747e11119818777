//! Applies a stream to a service's database: each batch in one transaction with the position it leads to.

mod poison;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Entry, Log, Stream};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::select_all;
use kernel::{Activity, Error, Result, Workspace, chain};
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use wire::event::Event;

use crate::lag::{Behind, Lag};
use crate::position::Position;
use crate::{Database, Held, Leases, Unit};

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);
/// On a database server a batch that is not full begins so long after the one before. A transaction costs the server and
/// us the same for one event as for twenty, and under load those who wait for a processor wait longer than this.
const PACE: Duration = Duration::from_millis(20);
/// How often the progress of another process is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// So often it is looked for events to be given to the service again.
const LOOK: Duration = Duration::from_secs(1);
/// Longest time that a position is kept in memory alone, while nothing that matters here passes.
const UNSAVED: Duration = Duration::from_secs(1);

/// An event as it is handed to a service.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The tenant.
    pub workspace: Workspace,
    /// The event.
    pub event: Event,
    /// The same, encoded, as it stands on the log.
    pub payload: Bytes,
    /// The partition it stands in.
    pub partition: u32,
    /// Where it stands.
    pub position: u64,
}

impl Delivery {
    /// Reads what stands on the log.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for an entry that is no event.
    pub fn read(partition: u32, entry: &Entry) -> Result<Self> {
        let (workspace, payload) = (entry.record.workspace.clone(), entry.record.payload.clone());
        let event = Event::decode(payload.clone()).map_err(unreadable)?;
        Ok(Self { workspace, event, payload, partition, position: entry.position })
    }
}

/// What a service does with events.
pub trait Handler: Send + Sync + 'static {
    /// Before the unit of work of a batch is begun, while nothing is locked: what takes long is read here, such as the
    /// log. Called again whenever the batch, or a part of it, is tried again.
    ///
    /// # Errors
    /// As [`Handler::apply`]; nothing has begun then, so that nothing is rolled back.
    fn prepare(&self, _batch: &[Delivery]) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Applies a batch (one partition, in order, repetitions already left out) within `unit`.
    ///
    /// A batch that fails with an error that is not retryable is applied again half by half, and an event that fails
    /// alone is set aside as a dead letter. Events that were set aside come again when an operator says so, then alone and
    /// out of their order.
    ///
    /// # Errors
    /// Whatever went wrong; the unit is rolled back.
    fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> impl Future<Output = Result<()>> + Send;

    /// Whether events of this name matter here; others are passed by without being decoded.
    fn wants(&self, _workspace: &Workspace, _name: &str) -> bool {
        true
    }

    /// After each commit: wake jobs, publish to watchers.
    fn committed(&self) {}

    /// After a unit was rolled back: forget what [`Handler::apply`] kept in memory.
    fn rolled_back(&self) {}
}

/// How far a consumer has come. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Applied {
    db: Database,
    log: Arc<dyn Log>,
    stream: Stream,
    leases: Leases,
    /// The one under which all partitions are applied, where each has none of its own.
    lease: Option<&'static str>,
    next: Arc<Vec<watch::Sender<u64>>>,
    behind: Arc<Vec<Behind>>,
}

impl Applied {
    /// Of a reader that applies all partitions under one `lease`, or each under its own.
    pub fn new(
        db: Database,
        log: Arc<dyn Log>,
        stream: Stream,
        leases: Leases,
        lease: Option<&'static str>,
    ) -> Self {
        let next = (0..log.partitions()).map(|_| watch::Sender::new(0)).collect();
        let behind = (0..log.partitions()).map(|_| Behind::default()).collect();
        let applied = Self { db, log, stream, leases, lease, next: Arc::new(next), behind: Arc::new(behind) };
        for partition in 0..applied.log.partitions() {
            applied.leases.want(&applied.lease_of(partition));
        }
        applied
    }

    fn lease_of(&self, partition: u32) -> String {
        self.lease.map_or_else(|| lease_of(self.stream, partition), str::to_owned)
    }

    /// Returns when everything that is on the log now, whoever wrote it, has been applied.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the log does not say what is on it.
    pub async fn caught_up(&self) -> Result<()> {
        self.log.latest(self.stream).await?;
        for (partition, next) in (0..).zip(self.next.iter()) {
            let end = self.log.end(self.stream, partition);
            let mut next = next.subscribe();
            loop {
                if self.leases.held(&self.lease_of(partition)).is_some() {
                    // The sender lives in `self.next`: waiting cannot fail. The lease may be lost meanwhile.
                    if timeout(GLANCE, next.wait_for(|next| *next >= end)).await.is_ok() {
                        break;
                    }
                } else if Position::load(self.db.read(), self.stream, partition).await?.next >= end {
                    // Another process applies this partition; it says so in the database.
                    break;
                } else {
                    tokio::time::sleep(GLANCE).await;
                }
            }
        }
        Ok(())
    }

    /// The first position not applied, by partition.
    pub fn positions(&self) -> Vec<u64> {
        self.next.iter().map(|next| *next.borrow()).collect()
    }

    /// How far it is behind, by partition, of those that are this process's to apply.
    pub fn lag(&self) -> Vec<Lag> {
        let all = (0..).zip(self.next.iter().zip(self.behind.iter()));
        all.filter_map(|(partition, (next, behind))| {
            if self.leases.held(&self.lease_of(partition)).is_none() {
                behind.pass_on();
                return None;
            }
            let next = *next.borrow();
            let distance = self.log.distance(next, self.log.end(self.stream, partition));
            Some(behind.see(partition, next, distance))
        })
        .collect()
    }

    /// Returns when everything before `position` of a partition has been applied here; at once for a partition that is not.
    pub async fn reached(&self, partition: u32, position: u64) {
        if let Some(next) = usize::try_from(partition).ok().and_then(|at| self.next.get(at)) {
            // The sender lives in `self.next`: waiting cannot fail.
            let _reached = next.subscribe().wait_for(|next| *next >= position).await.is_ok();
        }
    }

    /// These are to be applied next.
    pub fn begin(&self, partition: u32, entries: &[Entry]) {
        if let Some(behind) = self.behind.get(usize::try_from(partition).unwrap_or(usize::MAX)) {
            behind.begin(entries);
        }
    }

    /// Whether everything that this process knows to be on the log is applied.
    pub fn is_idle(&self) -> bool {
        (0..).zip(self.next.iter()).all(|(n, next)| *next.borrow() >= self.log.end(self.stream, n))
    }

    /// Everything before `next` is applied.
    pub fn note(&self, partition: u32, next: u64) {
        if let Some(slot) = self.next.get(usize::try_from(partition).unwrap_or(usize::MAX)) {
            slot.send_replace(next);
        }
    }
}

/// How far one partition has been read, by whoever holds its lease.
#[derive(Debug)]
struct Place {
    held: Held,
    position: Position,
    /// Since when the database lags behind: only what nobody wants has passed, which costs no transaction.
    unsaved: Option<Instant>,
}

impl Place {
    fn saved(held: Held, mut position: Position) -> Self {
        position.note_kept();
        Self { held, position, unsaved: None }
    }

    fn loaded(held: Held, position: Position) -> Self {
        Self { held, position, unsaved: None }
    }

    fn pass_by(&mut self, position: Position) {
        self.position = position;
        self.unsaved.get_or_insert_with(Instant::now);
    }
}

/// What there was to do in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing.
    Idle,
    /// Only what nobody wants.
    PassedBy,
    /// A batch, up to the end.
    Applied,
    /// As much as a batch takes: there is more.
    Full,
}

/// Reads one stream for one service, all partitions.
#[derive(Debug)]
pub struct Consumer<H> {
    /// The service's database.
    pub db: Database,
    /// What is read.
    pub log: Arc<dyn Log>,
    /// Which stream.
    pub stream: Stream,
    /// The service's name.
    pub service: &'static str,
    /// What to do.
    pub handler: Arc<H>,
    /// Events in one transaction at the most.
    pub batch: usize,
    /// Told when everything is applied.
    pub activity: Activity,
    /// Which partitions are this process's to apply.
    pub leases: Leases,
}

/// The lease of a partition.
fn lease_of(stream: Stream, partition: u32) -> String {
    format!("{stream} {partition}")
}

impl<H: Handler> Consumer<H> {
    /// Where others see how far this one has come.
    pub fn applied(&self) -> Applied {
        Applied::new(self.db.clone(), self.log.clone(), self.stream, self.leases.clone(), None)
    }

    /// Applies until cancelled, noting its progress in `applied`; dropping the future at any point is safe. Known to the
    /// activity from the call on.
    pub fn run(self, applied: Applied) -> impl Future<Output = ()> + Send {
        let progress = applied.clone();
        self.activity.register(format!("{} {}", self.service, self.stream), move || progress.is_idle());
        self.repeat(applied)
    }

    async fn repeat(self, applied: Applied) {
        let mut places: Vec<Option<Place>> = (0..self.log.partitions()).map(|_| None).collect();
        let mut look = Instant::now();
        loop {
            let (begin, mut idle, mut pace) = (Instant::now(), true, false);
            // Asked for before the leases are looked at, so that no change is missed.
            let changed = self.leases.changed();
            for (partition, slot) in (0..).zip(&mut places) {
                match self.turn(partition, slot, &applied).await {
                    Ok(turn) => {
                        idle &= turn == Turn::Idle;
                        pace |= turn == Turn::Applied;
                    }
                    Err(error) => {
                        tracing::warn!(service = self.service, stream = %self.stream, partition, error = %chain(&error), "a batch could not be applied; trying again");
                        tokio::time::sleep(PAUSE).await;
                        // A commit that failed may have been made all the same: the database says how far we are.
                        *slot = None;
                        idle = false;
                    }
                }
                if let Some(place) = slot {
                    applied.note(partition, place.position.next);
                }
            }
            if look.elapsed() >= LOOK {
                self.redrive(&places).await;
                look = Instant::now();
            }
            if idle {
                self.activity.touch();
                self.rest(&places, changed, look + LOOK).await;
            } else if pace && self.db.is_shared() {
                tokio::time::sleep_until(begin + PACE).await;
            }
        }
    }

    /// Returns when there may be more to do, and at `look` at the latest.
    async fn rest(&self, places: &[Option<Place>], changed: impl Future<Output = ()> + Send, look: Instant) {
        let places = || (0..).zip(places).filter_map(|(n, place)| Some((n, place.as_ref()?)));
        let waits = places().map(|(n, place)| self.log.wait(self.stream, n, place.position.next));
        let more = select_all(waits.chain(std::iter::once(changed.boxed())));
        // What is to be saved meanwhile, the next step saves.
        let save = places().filter_map(|(_, place)| place.unsaved).min().map(|since| since + UNSAVED);
        drop(timeout_at(save.map_or(look, |save| save.min(look)), more).await);
    }

    /// One batch of a partition, if it is this process's.
    async fn turn(&self, partition: u32, slot: &mut Option<Place>, applied: &Applied) -> Result<Turn> {
        let Some(held) = self.leases.held(&lease_of(self.stream, partition)) else {
            *slot = None;
            return Ok(Turn::Idle);
        };
        let place = match slot {
            Some(place) if place.held == held => place,
            // What another process has applied meanwhile stands in the database.
            _ => slot.insert(self.load(partition, held).await?),
        };
        let held = place.held.clone();
        held.scope(self.step(partition, place, applied)).await
    }

    async fn load(&self, partition: u32, held: Held) -> Result<Place> {
        // Before it is asked where it ends.
        self.log.latest(self.stream).await?;
        let mut position = Position::load(self.db.read(), self.stream, partition).await?;
        position.rewind(&*self.log, self.stream, partition, self.service);
        Ok(Place::loaded(held, position))
    }

    /// Applies one batch.
    async fn step(&self, partition: u32, place: &mut Place, applied: &Applied) -> Result<Turn> {
        place.position.skip(&*self.log, self.stream, partition, self.service);
        let entries = self.log.read(self.stream, partition, place.position.next, self.batch).await?;
        applied.begin(partition, &entries);
        let mut next = place.position.clone();
        let fresh: Vec<&Entry> = entries.iter().filter(|entry| next.pass(entry)).collect();
        match self.wanted(partition, &fresh) {
            Ok(batch) if batch.is_empty() => {
                if !entries.is_empty() {
                    place.pass_by(next);
                }
                if place.unsaved.is_some_and(|since| since.elapsed() >= UNSAVED) {
                    self.apply(partition, &[], &place.position).await?;
                    *place = Place::saved(place.held.clone(), place.position.clone());
                }
                return Ok(if entries.is_empty() { Turn::Idle } else { Turn::PassedBy });
            }
            Ok(batch) => match self.apply(partition, &batch, &next).await {
                Ok(()) => *place = Place::saved(place.held.clone(), next),
                Err(error) if error.kind.retryable() => return Err(error),
                Err(_) => self.apply_apart(partition, &entries, place).await?,
            },
            Err(_) => self.apply_apart(partition, &entries, place).await?,
        }
        self.handler.committed();
        Ok(if entries.len() < self.batch { Turn::Applied } else { Turn::Full })
    }

    /// What of these matters to the handler.
    fn wanted(&self, partition: u32, entries: &[&Entry]) -> Result<Vec<Delivery>> {
        let mut wanted = Vec::new();
        for entry in entries {
            let name = name_of(&entry.record.payload)?;
            if self.handler.wants(&entry.record.workspace, &name) {
                wanted.push(Delivery::read(partition, entry)?);
            }
        }
        Ok(wanted)
    }

    async fn apply(&self, partition: u32, batch: &[Delivery], next: &Position) -> Result<()> {
        if !batch.is_empty() {
            self.handler.prepare(batch).await?;
        }
        let mut unit = self.db.begin().await?;
        let applied = if batch.is_empty() { Ok(()) } else { self.handler.apply(&mut unit, batch).await };
        let done = match applied {
            Ok(()) => match next.save(unit.db(), self.stream, partition).await {
                Ok(()) => unit.commit().await,
                Err(error) => Err(error),
            },
            Err(error) => unit.roll_back().await.and(Err(error)),
        };
        if done.is_err() {
            self.handler.rolled_back();
        }
        done
    }
}

/// An event's name alone: much cheaper than all of it.
fn name_of(payload: &Bytes) -> Result<String> {
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    struct Named {
        #[prost(string, tag = "2")]
        name: String,
    }
    Ok(Named::decode(payload.clone()).map_err(unreadable)?.name)
}

fn unreadable(cause: prost::DecodeError) -> Error {
    Error::new(kernel::Kind::Invalid, "UNREADABLE_EVENT", "the payload is not an event").caused_by(cause)
}
