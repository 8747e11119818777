//! By what an event is known when it comes again.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use sha2::{Digest as _, Sha256};

use crate::Workspace;

/// An event's id, its source and its workspace, as the first 16 bytes of a SHA-256: two different ones never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey(pub [u8; 16]);

impl EventKey {
    /// Of the event that this source of this workspace calls `id`.
    pub fn new(workspace: &Workspace, source: &str, id: &str) -> Self {
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

impl Hash for EventKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Hashing for maps and sets of [`EventKey`], which is a hash already.
pub type Hashing = BuildHasherDefault<Already>;

/// Takes a hash as it is.
#[derive(Debug, Default)]
pub struct Already(u64);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_key_do_not_run_into_each_other() {
        let demo = Workspace::new("demo");
        assert_ne!(EventKey::new(&demo, "a", "bc"), EventKey::new(&demo, "ab", "c"));
        assert_ne!(EventKey::new(&demo, "a", "b"), EventKey::new(&Workspace::new("other"), "a", "b"));
    }
}
