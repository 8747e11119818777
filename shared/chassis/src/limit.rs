//! How often somebody may come: what is beyond is refused at once, with the time to wait.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::Clock as Watch;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use kernel::{Clock, Error, Kind, Result, Workspace};

use crate::config::{Common, Rate};

/// Fewer keys are not worth looking through.
const FEW: usize = 10_000;

/// Counts how often each key comes. Keys that have come less lately than they may are forgotten: memory holds those only
/// which are being counted.
#[derive(Debug)]
pub struct Limiter<K: Hash + Eq + Clone> {
    /// `None`: nothing is counted.
    counts: Option<Counts<K>>,
    clock: Hands,
    /// With so many keys, those that may be forgotten are looked for.
    crowd: AtomicUsize,
}

type Counts<K> = RateLimiter<K, HashMapStateStore<K>, Hands, NoOpMiddleware<Nanos>>;

/// The process's time, as the library wants it.
#[derive(Clone, Debug)]
struct Hands(Clock);

impl Watch for Hands {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(u64::try_from(self.0.now().0).unwrap_or(0).saturating_mul(1_000))
    }
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A rate of 0 lets everybody pass.
    pub fn new(rate: Rate, clock: &Clock) -> Self {
        let clock = Hands(clock.clone());
        let quota = NonZeroU32::new(rate.calls_per_second)
            .map(|often| Quota::per_second(often).allow_burst(NonZeroU32::new(rate.burst).unwrap_or(often)));
        let counts = quota.map(|quota| RateLimiter::hashmap_with_clock(quota, clock.clone()));
        Self { counts, clock, crowd: AtomicUsize::new(FEW) }
    }

    /// Counts one.
    ///
    /// # Errors
    /// How long to wait, when `key` comes too often; then it is not counted.
    pub fn count(&self, key: &K) -> std::result::Result<(), Duration> {
        let Some(counts) = &self.counts else { return Ok(()) };
        if counts.len() >= self.crowd.load(Ordering::Relaxed) {
            counts.retain_recent();
            self.crowd.store((2 * counts.len()).max(FEW), Ordering::Relaxed);
        }
        counts.check_key(key).map_err(|early| early.wait_time_from(self.clock.now()))
    }

    /// Keys that are being counted.
    pub fn keys(&self) -> usize {
        self.counts.as_ref().map_or(0, RateLimiter::len)
    }
}

/// How often each workspace calls, whichever way. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkspaceCalls(Arc<Limiter<Workspace>>);

impl WorkspaceCalls {
    /// As `common.limits.workspace` has it; in development as often as they like.
    pub(crate) fn new(common: &Common, clock: &Clock) -> Self {
        let rate = if common.dev { Rate::default() } else { common.limits.workspace };
        Self(Arc::new(Limiter::new(rate, clock)))
    }

    /// Counts a call.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] with the time to wait.
    pub fn count(&self, workspace: &Workspace) -> Result<()> {
        let early = |wait| too_often("this workspace calls more often", "common.limits.workspace", wait);
        self.0.count(workspace).map_err(early)
    }
}

/// Refuses a call: `what` (such as "this workspace calls more often") is beyond the limit that `option` sets.
pub fn too_often(what: &str, option: &str, wait: Duration) -> Error {
    let message =
        format!("{what} than is allowed here ({option}); come again in {wait:?}, or put more into one call");
    Error::new(Kind::Exhausted, "RATE_LIMITED", message).retry_after(wait)
}

#[cfg(test)]
mod tests;
