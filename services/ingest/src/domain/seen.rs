//! Which events came before. In memory, in generations of a day, so that forgetting costs nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use kernel::event_key::Hashing;
use kernel::{EventKey, Time};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Number of the day (UTC) in which an event was accepted.
pub(crate) fn day(accepted: Time) -> i32 {
    i32::try_from(accepted.0.div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is claimed now, for the ticket given.
    New,
    /// Another request brought it, and it is not durable yet.
    Claimed(u64),
    /// It is on the log.
    Durable,
}

/// The keys of the window.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Durable keys by day.
    days: BTreeMap<i32, HashSet<EventKey, Hashing>>,
    /// Keys that are being made durable, with the ticket of the request that brought them.
    claimed: HashMap<EventKey, u64, Hashing>,
}

impl Seen {
    /// Says what is known of `key`, and claims it if that is nothing.
    pub(crate) fn claim(&mut self, key: EventKey, ticket: u64) -> Known {
        if self.is_durable(key) {
            return Known::Durable;
        }
        match self.claimed.entry(key) {
            std::collections::hash_map::Entry::Occupied(claim) => Known::Claimed(*claim.get()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(ticket);
                Known::New
            }
        }
    }

    /// Whether it is on the log, as far as was heard.
    pub(crate) fn is_durable(&self, key: EventKey) -> bool {
        self.days.values().rev().any(|day| day.contains(&key))
    }

    /// The event is on the log.
    pub(crate) fn settle(&mut self, key: EventKey, day: i32) {
        self.claimed.remove(&key);
        self.insert(key, day);
    }

    /// The event is not on the log and will not come.
    pub(crate) fn release(&mut self, key: EventKey) {
        self.claimed.remove(&key);
    }

    /// A key that a former process accepted; says whether it is new.
    pub(crate) fn insert(&mut self, key: EventKey, day: i32) -> bool {
        self.days.entry(day).or_default().insert(key)
    }

    /// Forgets the days before `first`.
    pub(crate) fn forget_before(&mut self, first: i32) {
        if self.days.first_key_value().is_some_and(|(day, _)| *day < first) {
            self.days = self.days.split_off(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Workspace;

    use super::*;

    fn key(id: &str) -> EventKey {
        EventKey::new(&Workspace::new("demo"), "web", id)
    }

    #[test]
    fn a_key_is_claimed_once_until_it_is_settled_released_or_forgotten() {
        let mut seen = Seen::default();
        assert_eq!(seen.claim(key("m1"), 7), Known::New);
        assert_eq!(seen.claim(key("m1"), 8), Known::Claimed(7));
        seen.settle(key("m1"), 100);
        assert_eq!(seen.claim(key("m1"), 9), Known::Durable);
        assert_eq!(seen.claim(key("m2"), 9), Known::New);
        seen.release(key("m2"));
        assert_eq!(seen.claim(key("m2"), 10), Known::New);
        seen.forget_before(100);
        assert_eq!(seen.claim(key("m1"), 11), Known::Durable);
        seen.forget_before(101);
        assert_eq!(seen.claim(key("m1"), 12), Known::New);
    }
}
