//! The log of one process: files in a folder, one write and one fdatasync for all callers that wait.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kernel::{Clock, Error, Result};

use crate::{Entry, Log, Record, Stream};

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of every stream; fixed once the folder has been created.
    pub partitions: u32,
    /// A file that has grown to so many bytes is sealed and a new one begun.
    pub segment_bytes: u64,
    /// Sealed files whose newest record is older are deleted; `None` keeps everything.
    pub retention: Option<Duration>,
    /// Tells the age of records.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 1,
            segment_bytes: 64 << 20,
            retention: Some(Duration::from_secs(8 * 86_400)),
            clock: Clock::system(),
        }
    }
}

/// The log in one folder. Dropping it finishes what was accepted.
#[derive(Debug)]
pub struct EmbeddedLog {
    partitions: u32,
}

impl EmbeddedLog {
    /// Opens the log in `folder`, which is created when missing.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, options: Options) -> Result<Arc<Self>> {
        if folder.as_os_str().is_empty() {
            return Err(Error::invalid("folder", "name a folder"));
        }
        Ok(Arc::new(Self { partitions: options.partitions }))
    }

    /// Finishes what was accepted; later appends are refused.
    pub async fn close(&self) {
        futures::future::ready(()).await;
    }
}

impl Log for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn append(&self, _stream: Stream, _records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Err(Error::unavailable("being built")) })
    }

    fn read(&self, _: Stream, _: u32, _from: u64, _max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        Box::pin(async { Err(Error::unavailable("being built")) })
    }

    fn end(&self, _stream: Stream, _partition: u32) -> u64 {
        0
    }

    fn start(&self, _stream: Stream, _partition: u32) -> u64 {
        0
    }

    fn wait(&self, _stream: Stream, _partition: u32, _position: u64) -> BoxFuture<'_, ()> {
        Box::pin(futures::future::pending())
    }
}
