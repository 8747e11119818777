//! Who is refused because there is no place, and when each may come again: later the more there are, so that refusing them
//! does not take the processor that the calls inside need.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::{Error, Kind};
use tokio::time::Instant;

/// The reason of a call that was refused for want of a place, before anything of it was begun.
pub(in crate::rpc) const OVERLOADED: &str = "OVERLOADED";
/// When somebody may come again who is nearly alone: calls take milliseconds.
const BREATH: Duration = Duration::from_millis(100);
/// So many more in a second, and everybody waits a breath longer.
const MANY: u32 = 100;
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(10);
/// Times are spread by it (2³² / φ), so that those refused together do not come again together.
const SPREAD: u32 = 2_654_435_769;

/// Counts the refused.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    second: Mutex<Second>,
    turn: AtomicU32,
}

/// The present second and the one before.
#[derive(Debug, Default)]
struct Second {
    begin: Option<Instant>,
    refused: u32,
    before: u32,
}

impl Crowd {
    /// Refuses one.
    pub(super) fn refusal(&self, why: &str) -> Error {
        let wait = self.wait(Instant::now());
        let message = format!("{why}; come again in {wait:?}");
        Error::new(Kind::Exhausted, OVERLOADED, message).retry_after(wait)
    }

    fn wait(&self, now: Instant) -> Duration {
        let refused = self.count(now);
        let wait = BREATH.saturating_mul(1 + refused / MANY).min(LONGEST);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // Between a half and one and a half of it.
        wait / 2 + wait * (turn.wrapping_mul(SPREAD) >> 22) / 1_024
    }

    fn count(&self, now: Instant) -> u32 {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        match second.begin.map(|begin| now.duration_since(begin).as_secs()) {
            Some(0) => {}
            age => {
                let before = if age == Some(1) { second.refused } else { 0 };
                *second = Second { begin: Some(now), refused: 0, before };
            }
        }
        second.refused = second.refused.saturating_add(1);
        second.refused.max(second.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_are_refused_the_later_they_come_again_and_not_together() {
        let (crowd, begin) = (Crowd::default(), Instant::now());
        let mut waits: Vec<Duration> = (0..5_000).map(|_| crowd.wait(begin)).collect();
        assert!(waits[0] <= BREATH * 3 / 2, "one alone: {:?}", waits[0]);
        assert!(waits[4_999] >= BREATH * 20, "a crowd: {:?}", waits[4_999]);
        waits.dedup();
        assert!(waits.len() > 4_000, "{} different times", waits.len());
        let calm = crowd.wait(begin + Duration::from_secs(3));
        assert!(calm <= BREATH * 3 / 2, "when it is over: {calm:?}");
        let most = (0..1_000_000).map(|_| crowd.wait(begin + Duration::from_secs(4))).max();
        assert!(most <= Some(LONGEST * 3 / 2));
    }
}
