//! What is remembered between pieces of work, so that events of known people cost no query. Bounded.

use std::collections::HashMap;
use std::hash::Hash;

use kernel::RecordId;

use crate::domain::graph::Apart;
use crate::domain::{Evidence, Identifier, LinkKey, StoredLink, StoredRecord};

/// Of one workspace; always what the database has committed.
#[derive(Debug)]
pub(crate) struct Memory {
    pub records: Recent<Identifier, StoredRecord>,
    /// The earliest evidence of pairs that were seen together, joined or refused.
    pub pairs: Recent<(RecordId, RecordId), Evidence>,
    /// Refused values that were reported.
    pub reported: Recent<String, ()>,
    /// What people set apart; `None` until it is read.
    pub apart: Option<Apart>,
}

impl Memory {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            records: Recent::new(capacity),
            pairs: Recent::new(capacity),
            reported: Recent::new(capacity),
            apart: None,
        }
    }

    /// Takes over what a committed piece of work found out.
    pub(crate) fn learn(&mut self, learned: Learned) {
        for record in learned.records {
            self.records.put(record.identifier.clone(), record);
        }
        for StoredLink { key: LinkKey { a, b, .. }, evidence, .. } in learned.links {
            self.pairs.put((a, b), evidence);
        }
        for subject in learned.reported {
            self.reported.put(subject, ());
        }
    }
}

/// What a piece of work found out.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub records: Vec<StoredRecord>,
    /// Automatic ones only.
    pub links: Vec<StoredLink>,
    pub reported: Vec<String>,
}

/// A map that forgets what was not asked for in a long time: two generations, the older one dropped when the younger one
/// is full. Holds between half of and its whole capacity.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.put(key, value);
        }
        self.young.get(key)
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn keeps_what_is_asked_for_and_forgets_the_rest() {
        let mut recent = Recent::new(20);
        recent.put(0, "hot");
        for n in 1..1_000 {
            recent.put(n, "cold");
            assert_eq!(recent.get(&0), Some(&"hot"));
        }
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&999), Some(&"cold"));
        assert!(recent.young.len() + recent.old.len() <= 20);
        recent.put(999, "new");
        assert_eq!(recent.get(&999), Some(&"new"));
    }
}
