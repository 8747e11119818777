//! The engine of the process that holds the lease of the log.
//!
//! Reading, flushing and compacting belong together: who opened the engine under a lease does all of it until the lease
//! is lost. The engine is thrown away then, and whoever has the lease opens what is registered anew. Who holds no lease
//! answers nothing: what it knows may be old.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kernel::{Error, Kind, Result, Time};
use store::{Applied, Held, Leases};
use tokio::sync::watch;

use crate::engine::Engine;

/// Of all partitions of the log and all files.
pub(crate) const LEASE: &str = "events";
/// Longest wait of a call for the engine; taking over from a process that stands still takes longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// An engine, and the lease under which it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) held: Held,
    pub(crate) engine: Arc<Engine>,
    /// When what is in memory must be flushed, µs.
    flush_at: AtomicI64,
}

impl Opened {
    pub(crate) fn new(held: Held, engine: Engine) -> Self {
        Self { held, engine: Arc::new(engine), flush_at: AtomicI64::new(Time::MAX.0) }
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
    opened: Arc<watch::Sender<Option<Arc<Opened>>>>,
}

impl Current {
    pub(crate) fn new(leases: Leases) -> Self {
        Self { leases, opened: Arc::default() }
    }

    pub(crate) fn set(&self, opened: Option<Arc<Opened>>) {
        self.opened.send_replace(opened);
    }

    /// The engine, if the lease under which it was opened is still this process's.
    pub(crate) fn held(&self) -> Option<Arc<Opened>> {
        let opened = self.opened.borrow().clone()?;
        (self.leases.held(LEASE).as_ref() == Some(&opened.held)).then_some(opened)
    }

    /// The same for a call, which waits a while for it.
    pub(crate) async fn get(&self) -> Result<Arc<Opened>> {
        let wait = async {
            loop {
                // Asked for before it is looked, so that no change is missed.
                let (mut changes, renewed) = (self.opened.subscribe(), self.leases.changed());
                if let Some(opened) = self.held() {
                    return opened;
                }
                tokio::select! {
                    // The sender lives in `self`: waiting cannot fail.
                    _changed = changes.changed() => {}
                    () = renewed => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| elsewhere())
    }

    /// The same, with everything read that stands before these positions of partitions.
    pub(crate) async fn read_to(
        &self,
        applied: &Applied,
        places: impl Iterator<Item = (u32, u64)>,
    ) -> Result<Arc<Opened>> {
        let opened = self.get().await?;
        let is_other = |current: &Option<Arc<Opened>>| {
            !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &opened))
        };
        let mut changes = self.opened.subscribe();
        let gone = async { drop(changes.wait_for(is_other).await) };
        let read = async {
            for (partition, position) in places {
                applied.reached(partition, position).await;
            }
        };
        tokio::select! {
            () = gone => {}
            () = read => {}
        }
        // Another engine may not have read so far yet, though this one had.
        if is_other(&self.opened.borrow()) { Err(elsewhere()) } else { Ok(opened) }
    }

    /// Whether nothing is to be flushed at this time.
    pub(crate) fn is_flushed(&self, now: Time) -> bool {
        self.opened.borrow().as_ref().is_some_and(|opened| opened.flush_at() > now)
    }
}

fn elsewhere() -> Error {
    let message = "this process of analytics does not hold the events now: it opens them, or another process has them; \
                   ask again";
    Error::new(Kind::Unavailable, "EVENTS_ELSEWHERE", message)
}
