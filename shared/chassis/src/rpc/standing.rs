//! What an address is known for: whether others are to be asked first for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a failure, which costs the next call little.
pub(super) const FAILED: Duration = Duration::from_secs(1);
/// After a silence, which costs the next call seconds: a process that stands still goes on taking connections and calls.
pub(super) const SILENT: Duration = Duration::from_secs(10);

/// Of one address.
#[derive(Debug, Default)]
pub(super) struct Standing {
    avoided: Mutex<Option<Instant>>,
}

impl Standing {
    /// Others are asked first for so long at the least.
    pub(super) fn avoid(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        *avoided = avoided.max(Some(until));
    }

    /// It has answered.
    pub(super) fn forgive(&self) {
        *self.avoided.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_avoided(&self) -> bool {
        let avoided = *self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        avoided.is_some_and(|until| Instant::now() < until)
    }
}
