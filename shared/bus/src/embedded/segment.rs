//! The files of the log as readers and the writer share them, and the deletion of old ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kernel::Time;

use super::index::Index;
use super::layout::log_path;

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    /// Offset of its first byte in the whole log.
    pub(super) base: u64,
    pub(super) path: PathBuf,
    /// Per slot: no record in it stands before.
    pub(super) starts: Vec<u64>,
    index: RwLock<Index>,
}

impl Segment {
    pub(super) fn new(folder: &Path, base: u64, starts: Vec<u64>, index: Index) -> Self {
        Self { base, path: log_path(folder, base), starts, index: RwLock::new(index) }
    }

    /// What is durable in it.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn length(&self) -> u64 {
        self.index().length
    }

    fn start(&self, slot: usize) -> u64 {
        self.starts.get(slot).copied().unwrap_or(0)
    }
}

/// All files, oldest first; the last one is written to.
#[derive(Debug)]
pub(super) struct Segments(RwLock<Vec<Arc<Segment>>>);

impl Segments {
    pub(super) fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self(RwLock::new(segments))
    }

    /// The earliest position kept.
    pub(super) fn start(&self, slot: usize) -> u64 {
        self.read().first().map_or(0, |first| first.start(slot))
    }

    /// Those that may hold records of the slot at or behind `from`.
    pub(super) fn from(&self, slot: usize, from: u64) -> Vec<Arc<Segment>> {
        let segments = self.read();
        let after = segments.partition_point(|segment| segment.start(slot) <= from);
        segments.get(after.saturating_sub(1)..).unwrap_or_default().to_vec()
    }

    /// Whether the file is still among them.
    pub(super) fn keeps(&self, base: u64) -> bool {
        self.read().iter().any(|segment| segment.base == base)
    }

    pub(super) fn push(&self, segment: Arc<Segment>) {
        self.write().push(segment);
    }

    /// Deletes sealed files, oldest first, as long as nothing in them is as new as `before`.
    pub(super) fn expire(&self, before: Time) {
        loop {
            let oldest = match self.read().as_slice() {
                [oldest, _, ..] if oldest.index().newest < before => oldest.clone(),
                _ => return,
            };
            // Readers that come from here on begin behind it; one that is under way keeps the open file.
            self.write().retain(|segment| segment.base != oldest.base);
            if let Err(error) = remove(&oldest.path) {
                tracing::warn!(file = %oldest.path.display(), %error, "cannot delete an expired segment; tried again at the next start");
                return;
            }
            tracing::info!(file = %oldest.path.display(), "deleted an expired segment");
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Segment>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Segment>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes a segment file, its index first: an index alone would belong to nothing.
fn remove(log: &Path) -> std::io::Result<()> {
    let index = log.with_extension("index");
    if index.exists() {
        fs::remove_file(index)?;
    }
    fs::remove_file(log)
}
