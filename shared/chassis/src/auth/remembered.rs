//! Tokens that were verified before: a signature costs some fifty microseconds, and clients send one token many times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;
use kernel::Time;

use super::keys::Keys;
use crate::caller::Caller;

/// So many at the most.
const MAX: usize = 4_096;

/// What a token stands for, and when.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub caller: Caller,
    pub begins: Time,
    pub expires: Time,
}

/// Tokens by their SHA-256: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    by_hash: Mutex<HashMap<Hash, Entry>>,
}

type Hash = [u8; 32];

/// What was found, and with which keys.
#[derive(Debug)]
struct Entry {
    keys: Weak<Keys>,
    verified: Verified,
}

impl Remembered {
    /// What was verified with these very keys: once the key set was read again, tokens are verified again.
    pub(super) fn get(&self, token: &str, keys: &Arc<Keys>) -> Option<Verified> {
        let known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(&hash(token))?;
        std::ptr::eq(entry.keys.as_ptr(), Arc::as_ptr(keys)).then(|| entry.verified.clone())
    }

    pub(super) fn put(&self, token: &str, keys: &Arc<Keys>, verified: Verified, now: Time) {
        let mut known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX {
            known.retain(|_, entry| entry.keys.strong_count() > 0 && entry.verified.expires > now);
        }
        if known.len() >= MAX {
            known.clear();
        }
        known.insert(hash(token), Entry { keys: Arc::downgrade(keys), verified });
    }
}

fn hash(token: &str) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}
