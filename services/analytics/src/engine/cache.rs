//! Columns in memory, up to a number of bytes: what was used longest ago goes first.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Error, Result};

/// What a column is, within its run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ColumnKey {
    /// Records, names and times.
    Hot,
    /// When events were received.
    Received,
    /// The keys of a breakdown, by path.
    Keys(String),
    /// The numbers of a property, by path.
    Numbers(String),
    /// Which events of a name satisfy a filter: (name, filter).
    Matches(String, String),
}

/// Something with a size in memory.
pub(crate) trait Weigh: Any + Send + Sync {
    /// Bytes.
    fn bytes(&self) -> usize;
}

#[derive(Debug, Default)]
struct Held {
    columns: HashMap<(u64, ColumnKey), Entry>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    column: Arc<dyn Any + Send + Sync>,
    bytes: usize,
    used: u64,
}

/// The cache. A query keeps what it uses alive for as long as it runs, also beyond the limit.
#[derive(Debug)]
pub(crate) struct Cache {
    limit: usize,
    held: Mutex<Held>,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::default() }
    }

    /// The column, loaded when it is not held.
    pub(crate) fn get<T: Weigh>(
        &self,
        run: u64,
        key: ColumnKey,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        if let Some(column) = self.lookup(run, &key) {
            return column.downcast().map_err(|_| Error::internal("a cached column has another type"));
        }
        let column = Arc::new(load()?);
        self.keep(run, key, column.clone());
        Ok(column)
    }

    /// Drops all columns of a run that is gone.
    pub(crate) fn forget(&self, run: u64) {
        let mut held = self.lock();
        let gone: Vec<_> = held.columns.keys().filter(|(of, _)| *of == run).cloned().collect();
        for key in gone {
            held.remove(&key);
        }
    }

    fn lookup(&self, run: u64, key: &ColumnKey) -> Option<Arc<dyn Any + Send + Sync>> {
        let mut held = self.lock();
        held.clock += 1;
        let now = held.clock;
        let entry = held.columns.get_mut(&(run, key.clone()))?;
        entry.used = now;
        Some(entry.column.clone())
    }

    fn keep<T: Weigh>(&self, run: u64, key: ColumnKey, column: Arc<T>) {
        let mut held = self.lock();
        held.clock += 1;
        let (bytes, used) = (column.bytes(), held.clock);
        held.remove(&(run, key.clone()));
        held.bytes += bytes;
        held.columns.insert((run, key), Entry { column, bytes, used });
        while held.bytes > self.limit {
            let oldest = held.columns.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            held.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, key: &(u64, ColumnKey)) {
        if let Some(entry) = self.columns.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sized(usize);

    impl Weigh for Sized {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn the_longest_unused_column_goes_first() {
        let cache = Cache::new(10);
        let get = |run, size| cache.get(run, ColumnKey::Hot, || Ok(Sized(size))).unwrap().0;
        assert_eq!(get(1, 4), 4);
        assert_eq!(get(2, 5), 5);
        assert_eq!(get(1, 99), 4, "held");
        assert_eq!(get(3, 3), 3, "pushes the second out");
        assert_eq!(get(1, 99), 4);
        assert_eq!(get(2, 6), 6, "loaded anew");
        cache.forget(2);
        assert_eq!(get(2, 1), 1);
    }
}
