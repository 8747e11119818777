//! The engine that this process answers from.
//!
//! Every process reads the log into an engine of its own. One of them, under the lease of the log, also flushes and
//! compacts; the others open what it registers anew now and then. So all answer, and one writes. An engine takes the place
//! of another only when it has read as much, so that nothing that was seen is ever missing.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Log, Stream};
use kernel::{Error, Kind, Result, Time};
use store::{Applied, Held, Leases};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::Engine;

/// Of all files.
pub(crate) const LEASE: &str = "events";
/// Longest wait of a call for an engine that has read enough.
const PATIENCE: Duration = Duration::from_secs(2);
/// What others have written to the log must have been heard no longer ago when a process answers that does not write: it
/// may have stood still.
const HEARSAY: Duration = Duration::from_secs(1);

/// An engine, and the lease under which it was opened, if there was one.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) held: Option<Held>,
    pub(crate) engine: Arc<Engine>,
    /// When what is in memory must be flushed, µs.
    flush_at: AtomicI64,
}

impl Opened {
    pub(crate) fn new(held: Option<Held>, engine: Engine) -> Self {
        Self { held, engine: Arc::new(engine), flush_at: AtomicI64::new(Time::MAX.0) }
    }

    /// Whether it is this engine that is flushed and compacted.
    pub(crate) fn writes(&self) -> bool {
        self.held.is_some()
    }

    pub(crate) fn flush_at(&self) -> Time {
        Time(self.flush_at.load(Ordering::SeqCst))
    }

    pub(crate) fn set_flush_at(&self, at: Time) {
        self.flush_at.store(at.0, Ordering::SeqCst);
    }
}

/// The engine, while there is one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    leases: Leases,
    log: Arc<dyn Log>,
    /// How far it has read.
    applied: Applied,
    opened: Arc<watch::Sender<Option<Arc<Opened>>>>,
    /// When the log was last asked where it ends.
    heard: Arc<Mutex<Option<Instant>>>,
}

impl Current {
    pub(crate) fn new(leases: Leases, log: Arc<dyn Log>, applied: Applied) -> Self {
        Self { leases, log, applied, opened: Arc::default(), heard: Arc::default() }
    }

    pub(crate) fn set(&self, opened: Option<Arc<Opened>>) {
        self.opened.send_replace(opened);
    }

    /// Whether there is one.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.borrow().is_some()
    }

    /// The engine and the lease under which it was opened, if that is still this process's.
    pub(crate) fn held(&self) -> Option<(Arc<Opened>, Held)> {
        let opened = self.opened.borrow().clone().filter(|opened| self.holds(opened))?;
        let held = opened.held.clone()?;
        Some((opened, held))
    }

    fn holds(&self, opened: &Opened) -> bool {
        opened.writes() && self.leases.held(LEASE) == opened.held
    }

    /// The engine for a call, which waits a while for it. Who writes has read more than the others or will do so first; who
    /// does not answers with everything that was on the log a second ago.
    pub(crate) async fn get(&self) -> Result<Arc<Opened>> {
        let fresh = async {
            let opened = self.opened().await;
            if self.holds(&opened) {
                return Ok(opened);
            }
            self.hear().await?;
            let ends: Vec<u64> = self.partitions().map(|n| self.log.end(Stream::Events, n)).collect();
            for (partition, end) in self.partitions().zip(ends) {
                self.applied.reached(partition, end).await;
            }
            Ok(self.opened().await)
        };
        tokio::time::timeout(PATIENCE, fresh).await.unwrap_or_else(|_| Err(elsewhere()))
    }

    /// The same, with everything read that stands before these positions of partitions.
    pub(crate) async fn read_to(&self, places: &[(u32, u64)]) -> Result<Arc<Opened>> {
        for (partition, position) in places {
            self.applied.reached(*partition, *position).await;
        }
        self.get().await
    }

    async fn opened(&self) -> Arc<Opened> {
        let mut changes = self.opened.subscribe();
        loop {
            if let Some(opened) = changes.borrow_and_update().clone() {
                return opened;
            }
            // The sender lives in `self`: waiting cannot fail.
            let _changed = changes.changed().await.is_ok();
        }
    }

    async fn hear(&self) -> Result<()> {
        let heard = || self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard().is_some_and(|when| when.elapsed() < HEARSAY) {
            return Ok(());
        }
        let begun = Instant::now();
        self.log.latest(Stream::Events).await?;
        *heard() = Some(begun);
        Ok(())
    }

    fn partitions(&self) -> Range<u32> {
        0..self.log.partitions()
    }

    /// Whether nothing is to be flushed at this time.
    pub(crate) fn is_flushed(&self, now: Time) -> bool {
        self.opened.borrow().as_ref().is_some_and(|opened| opened.flush_at() > now)
    }
}

fn elsewhere() -> Error {
    let message = "this process of analytics opens the events still, or has not read all of the log; ask again: another \
                   process may have";
    Error::new(Kind::Unavailable, "EVENTS_ELSEWHERE", message)
}
