//! What readers and the writer share.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use kernel::Clock;
use tokio::sync::watch;

use super::segment::Segments;
use crate::tail::Tail;

/// The log's state in memory; everything in it is durable.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) partitions: u32,
    pub(super) segment_bytes: u64,
    pub(super) retention: Option<Duration>,
    pub(super) clock: Clock,
    pub(super) segments: Segments,
    pub(super) tail: Tail,
    /// Next position per slot; whoever waits is woken by it.
    pub(super) ends: Vec<watch::Sender<u64>>,
    /// Why nothing can be appended any more.
    pub(super) broken: OnceLock<String>,
}

impl Shared {
    /// The next position of a slot.
    pub(super) fn end(&self, slot: usize) -> u64 {
        self.ends.get(slot).map_or(0, |end| *end.borrow())
    }

    /// Deletes what is older than the retention.
    pub(super) fn expire(&self) {
        if let Some(retention) = self.retention {
            self.segments.expire(self.clock.now().minus(retention));
        }
    }
}
