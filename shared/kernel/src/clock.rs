//! The one source of time: the system's, or a virtual one that tests, demos and simulations advance by hand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::Time;

/// Tells the time and waits for it. Cheap to clone; clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

/// The hand on a virtual clock.
#[derive(Clone, Debug)]
pub struct Warp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `Some`: virtual time; `None`: the system's.
    now: watch::Sender<Option<Time>>,
    sleepers: Mutex<BTreeMap<(Time, u64), ()>>,
    next_sleeper: AtomicU64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { inner: Arc::new(Inner::new(None)) }
    }

    /// A clock that stands at `start` until its [`Warp`] moves it.
    pub fn warped(start: Time) -> (Self, Warp) {
        let inner = Arc::new(Inner::new(Some(start)));
        (Self { inner: inner.clone() }, Warp { inner })
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        (*self.inner.now.borrow()).unwrap_or_else(system_now)
    }

    /// Returns at `deadline`, at once when it has passed.
    pub async fn sleep_until(&self, deadline: Time) {
        let mut changes = self.inner.now.subscribe();
        let sleeper = Sleeper::register(&self.inner, deadline);
        loop {
            let now = *changes.borrow_and_update();
            let left = deadline.since(now.unwrap_or_else(system_now));
            if left.is_zero() {
                break;
            }
            if now.is_some() {
                // The sender lives in `inner`, which we hold: this cannot fail.
                let _changed = changes.changed().await;
            } else {
                // In steps, so that a changed system clock is noticed.
                tokio::time::sleep(left.min(Duration::from_secs(60))).await;
            }
        }
        drop(sleeper);
    }

    /// Returns after `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now().plus(duration)).await;
    }
}

impl Warp {
    /// The virtual time; after [`Warp::release`], the system's.
    pub fn now(&self) -> Time {
        (*self.inner.now.borrow()).unwrap_or_else(system_now)
    }

    /// Moves time forward; an earlier `to` changes nothing.
    pub fn advance_to(&self, to: Time) {
        self.inner.now.send_if_modified(|now| match now {
            Some(current) if *current < to => {
                *current = to;
                true
            }
            _ => false,
        });
    }

    /// From now on the clock is the system's.
    pub fn release(&self) {
        self.inner.now.send_replace(None);
    }

    /// The earliest moment somebody waits for.
    pub fn next_wake(&self) -> Option<Time> {
        self.inner.lock().keys().next().map(|(deadline, _)| *deadline)
    }
}

impl Inner {
    fn new(now: Option<Time>) -> Self {
        Self { now: watch::Sender::new(now), sleepers: Mutex::default(), next_sleeper: AtomicU64::new(0) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Time, u64), ()>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sleeper<'a> {
    inner: &'a Inner,
    key: (Time, u64),
}

impl<'a> Sleeper<'a> {
    fn register(inner: &'a Inner, deadline: Time) -> Self {
        let key = (deadline, inner.next_sleeper.fetch_add(1, Ordering::Relaxed));
        inner.lock().insert(key, ());
        Self { inner, key }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.inner.lock().remove(&self.key);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
fn system_now() -> Time {
    jiff::Timestamp::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_the_hand_passes_them() {
        let (clock, warp) = Clock::warped(Time::from_seconds(100));
        let mut tasks = tokio::task::JoinSet::new();
        let waiting = tasks.spawn(async move {
            clock.sleep_until(Time::from_seconds(200)).await;
            clock.now()
        });
        while warp.next_wake() != Some(Time::from_seconds(200)) {
            tokio::task::yield_now().await;
        }
        warp.advance_to(Time::from_seconds(199));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        warp.advance_to(Time::from_seconds(250));
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), Time::from_seconds(250));
        assert_eq!(warp.next_wake(), None);
    }
}
