//! When a message that met passing trouble is tried again.

use std::time::Duration;

use kernel::Time;

/// Nobody is made to wait longer, whatever a provider asks for.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The waits between tries on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    waits: Vec<Duration>,
}

impl Retry {
    /// One wait per further try.
    pub(crate) fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// When to try again after the `tries`-th try (counted from 1) at `now`, not before `asked` (a provider's
    /// Retry-After) has passed; `None` when that was the last one.
    pub(crate) fn after(&self, tries: u32, now: Time, asked: Option<Duration>) -> Option<Time> {
        let index = usize::try_from(tries.checked_sub(1)?).ok()?;
        let wait = *self.waits.get(index)?;
        Some(now.plus(asked.map_or(wait, |asked| wait.max(asked.min(LONGEST)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_and_a_provider_may_ask_for_more() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let retry = Retry::new(vec![minutes(1), minutes(5)]);
        let now = Time::from_seconds(1_000);
        assert_eq!(retry.after(1, now, None), Some(now.plus(minutes(1))));
        assert_eq!(retry.after(2, now, Some(minutes(1))), Some(now.plus(minutes(5))));
        assert_eq!(retry.after(2, now, Some(minutes(9))), Some(now.plus(minutes(9))));
        assert_eq!(retry.after(1, now, Some(minutes(9_999))), Some(now.plus(LONGEST)));
        assert_eq!(retry.after(3, now, None), None);
    }
}
