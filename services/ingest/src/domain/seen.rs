//! Which events came before. In memory, in generations of a day, so that forgetting costs nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use kernel::{Time, Workspace};
use sha2::{Digest as _, Sha256};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// An event's id, its source and its workspace, as the first 16 bytes of a SHA-256: two different ones never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) [u8; 16]);

impl Key {
    pub(crate) fn new(workspace: &Workspace, source: &str, id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [workspace.as_str(), source, id] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A key is a hash already.
#[derive(Default)]
pub(crate) struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Hashing = BuildHasherDefault<Already>;

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
    days: BTreeMap<i32, HashSet<Key, Hashing>>,
    /// Keys that are being made durable, with the ticket of the request that brought them.
    claimed: HashMap<Key, u64, Hashing>,
}

impl Seen {
    /// Says what is known of `key`, and claims it if that is nothing.
    pub(crate) fn claim(&mut self, key: Key, ticket: u64) -> Known {
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
    pub(crate) fn is_durable(&self, key: Key) -> bool {
        self.days.values().rev().any(|day| day.contains(&key))
    }

    /// The event is on the log.
    pub(crate) fn settle(&mut self, key: Key, day: i32) {
        self.claimed.remove(&key);
        self.insert(key, day);
    }

    /// The event is not on the log and will not come.
    pub(crate) fn release(&mut self, key: Key) {
        self.claimed.remove(&key);
    }

    /// A key that a former process accepted; says whether it is new.
    pub(crate) fn insert(&mut self, key: Key, day: i32) -> bool {
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
    use super::*;

    fn key(id: &str) -> Key {
        Key::new(&Workspace::new("demo"), "web", id)
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

    #[test]
    fn the_parts_of_a_key_do_not_run_into_each_other() {
        let demo = Workspace::new("demo");
        assert_ne!(Key::new(&demo, "a", "bc"), Key::new(&demo, "ab", "c"));
        assert_ne!(Key::new(&demo, "a", "b"), Key::new(&Workspace::new("other"), "a", "b"));
    }
}
