//! Who does what among the processes of a service: each partition and each job belongs to one of them at a time.
//!
//! With SQLite there is one process, and everything is its own. On PostgreSQL a lease is a row: a holder, a number that
//! grows with every change of hands (the fence), and a moment until which it holds. The processes share what there is
//! evenly, and take over from one that is gone: at once when its connection to the database has ended (each keeps a lock
//! that ends with it), else when its leases run out. All moments are the database's, so that clocks need not agree.
//!
//! A process that was stopped and goes on later does no harm: a unit of work done under a lease commits only while the
//! lease is still the one it began under ([`Held::scope`]), and keeps others from taking it over until then.

mod beat;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::{Error, Kind, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Database;
use crate::error::StoreResult as _;

/// So long a lease holds when it is not renewed.
const HOLDS: Duration = Duration::from_secs(5);
/// So often they are renewed, and what has become free is looked for.
const BEAT: Duration = Duration::from_millis(500);
/// The reason of errors that say that a lease has changed hands.
const LOST: &str = "LEASE_LOST";

/// The leases of a process of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leases {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Database,
    /// What there is to share, beginning with the kind: `events 3`, `job runs`.
    names: Mutex<BTreeSet<String>>,
    held: watch::Sender<Holdings>,
}

/// What is held, by name, as of the last beat.
#[derive(Clone, Debug, Default)]
struct Holdings {
    fences: BTreeMap<String, i64>,
    /// Nothing is held any more from this moment on.
    until: Option<Instant>,
}

impl Holdings {
    /// Becomes what the beat that has just ended found; says whether that is news. Whoever looked after these had run out,
    /// also during that beat, is waiting for a word.
    fn update(&mut self, found: Self, now: Instant) -> bool {
        let ran_out = self.until.is_none_or(|until| until <= now);
        let news = ran_out || self.fences != found.fences;
        *self = found;
        news
    }
}

/// A lease that was held when this was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    name: Arc<str>,
    holder: Arc<str>,
    /// Grows with every change of hands; 0 where there is one process.
    pub fence: i64,
}

tokio::task_local! {
    static HELD: Held;
}

impl Held {
    /// Does `work` under this lease: units of work that it begins commit only while the lease lasts.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        HELD.scope(self, work).await
    }

    /// The lease under which the running work is done.
    pub fn current() -> Option<Self> {
        HELD.try_with(Clone::clone).ok()
    }

    /// Whether work failed because its lease has changed hands: another process does it now, and trying again is no use.
    pub fn is_lost(error: &Error) -> bool {
        error.reason == LOST
    }

    /// Whether it is one of this database's.
    pub(crate) fn is_of(&self, db: &Database) -> bool {
        *self.holder == *db.replica()
    }

    /// Keeps the lease from changing hands while the transaction lasts.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when it has changed hands already.
    pub(crate) async fn pin(&self, db: &impl ConnectionTrait) -> Result<()> {
        let text = "SELECT 1 AS n FROM lease WHERE name = $1 AND holder = $2 AND fence = $3 FOR KEY SHARE";
        let values = [self.name.to_string().into(), self.holder.to_string().into(), self.fence.into()];
        let pin = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
        if db.query_one_raw(pin).await.db()?.is_some() {
            return Ok(());
        }
        let message = format!("another process works on `{}` now; nothing was written", self.name);
        Err(Error::new(Kind::Unavailable, LOST, message))
    }
}

impl Leases {
    /// None so far.
    pub fn new(db: &Database) -> Self {
        let inner = Inner { db: db.clone(), names: Mutex::default(), held: watch::Sender::default() };
        Self { inner: Arc::new(inner) }
    }

    /// There is this to share from now on.
    pub fn want(&self, name: &str) {
        self.inner.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// The lease of that name, if this process holds it.
    pub fn held(&self, name: &str) -> Option<Held> {
        let held = |fence| Held { name: name.into(), holder: self.inner.db.replica().into(), fence };
        if !self.inner.db.is_shared() {
            return Some(held(0));
        }
        let holdings = self.inner.held.borrow();
        let lasts = holdings.until.is_some_and(|until| Instant::now() < until);
        holdings.fences.get(name).filter(|_| lasts).map(|fence| held(*fence))
    }

    /// Returns when this process holds the lease of that name.
    pub async fn acquired(&self, name: &str) -> Held {
        let mut changes = self.inner.held.subscribe();
        loop {
            if let Some(held) = self.held(name) {
                return held;
            }
            // The sender lives in `self`: waiting cannot fail.
            let _changed = changes.changed().await.is_ok();
        }
    }

    /// Returns when this process may hold others than at the time of the call.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut changes = self.inner.held.subscribe();
        async move {
            let _changed = changes.changed().await.is_ok();
        }
    }

    /// What there is to share, and whether this process holds it.
    pub fn all(&self) -> Vec<(String, bool)> {
        let names = self.names().into_iter();
        names
            .map(|name| {
                let held = self.held(&name).is_some();
                (name, held)
            })
            .collect()
    }

    /// How many are held, of how many there are.
    pub fn count(&self) -> (usize, usize) {
        let names = self.names();
        (names.iter().filter(|name| self.held(name).is_some()).count(), names.len())
    }

    /// Takes and renews leases until cancelled.
    pub async fn run(self) {
        if !self.inner.db.is_shared() {
            return std::future::pending().await;
        }
        beat::repeat(&self.inner).await;
    }

    fn names(&self) -> BTreeSet<String> {
        self.inner.names()
    }
}

impl Inner {
    fn names(&self) -> BTreeSet<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn leases_that_ran_out_during_a_beat_are_news_when_it_renews_them() {
        let begun = Instant::now();
        let held = |until: Duration, fence: i64| Holdings {
            fences: [("events 0".to_owned(), fence)].into(),
            until: Some(begun + until),
        };
        let (second, later) = (Duration::from_secs(1), Duration::from_secs(5));
        let is_news = |before: Duration, fence: i64, ended: Duration| {
            held(before, 1).update(held(later, fence), begun + ended)
        };
        assert!(!is_news(2 * second, 1, second), "they lasted all the time");
        assert!(is_news(second, 1, 2 * second), "they ended after it began and before it ended");
        assert!(is_news(2 * second, 2, second), "another one's in between");
        assert!(Holdings::default().update(held(later, 1), begun));
    }
}
