//! The event log: durable append, reading by partition and position, and waiting for more without polling.
//!
//! Two streams, each cut into partitions by customer. A position counts the records of one partition of one stream
//! from 0 and may have gaps. Whoever reads keeps its own position. [`embedded`] serves one process, [`jetstream`] many
//! on many machines; the contract in [`contract`] holds for every backend.

pub mod contract;
pub mod embedded;
pub mod jetstream;
mod names;
mod room;
mod size;
mod tail;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use kernel::{Result, Workspace};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Accepted events, not yet resolved to a customer.
    Raw,
    /// Resolved events and platform facts, in order per customer.
    Events,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Events];

    /// Its name in files, subjects and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One entry to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The tenant it belongs to.
    pub workspace: Workspace,
    /// What decides the partition: the customer id, or before resolution the strongest identifier.
    pub key: Bytes,
    /// Who wrote it, such as `identity`.
    pub producer: Arc<str>,
    /// Grows with every record of the producer; the same record appended again (after a crash) carries the same
    /// number, by which readers know it.
    pub sequence: u64,
    /// An encoded `guanxi.event.v1.Event`.
    pub payload: Bytes,
}

/// One entry as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its partition.
    pub position: u64,
    /// What was appended.
    pub record: Record,
}

/// The log. Positions of one partition only grow; what [`Log::append`] has answered for survives a crash.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// Number of partitions of every stream.
    fn partitions(&self) -> u32;

    /// Appends all records, in this order within each partition, and returns when they are durable.
    ///
    /// Records become visible to readers only once they are durable. Appends that wait for each other keep their order;
    /// of those that run at the same time, either may be first. A caller that goes away may have appended all the same.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when they could not be made durable; some of them may then be appended all the same,
    /// so that the caller appends again with the same sequences. [`kernel::Kind::Invalid`] for a record above
    /// [`MAX_RECORD_BYTES`]; then none is appended.
    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>>;

    /// Up to `max` entries of a partition at or behind `from`, in order; empty only at the end. Fewer when they are large
    /// (about 4 MiB a call). Reading before the earliest kept position starts there; where nothing at all is kept
    /// behind `from`, who reads may go on from [`Log::start`].
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the log cannot be read, [`kernel::Kind::Internal`] when what was kept is damaged,
    /// [`kernel::Kind::Invalid`] for a partition that is not there.
    fn read(
        &self,
        stream: Stream,
        partition: u32,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>>>;

    /// The position that the next durable record of the partition will have at the least. Covers what this process has
    /// appended and read; what other processes have appended may come into view a moment later: see [`Log::latest`].
    fn end(&self, stream: Stream, partition: u32) -> u64;

    /// How much there is from one position to a later one of the same partition: records; where positions have gaps, what
    /// a record is written in, such as the messages of JetStream, which hold a batch each.
    fn distance(&self, from: u64, to: u64) -> u64 {
        to.saturating_sub(from)
    }

    /// The position from which there is so much to `position`, or the first: [`Log::distance`] the other way round.
    fn back(&self, position: u64, distance: u64) -> u64 {
        position.saturating_sub(distance)
    }

    /// The earliest position kept.
    fn start(&self, stream: Stream, partition: u32) -> u64;

    /// Returns when something is kept at or behind `position`, so that reading from there finds it. Wakes up without
    /// polling, also after an outage; for a partition that is not there, never.
    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()>;

    /// Returns when [`Log::end`] of every partition covers whatever anybody, in any process, was answered for before the
    /// call, and [`Log::start`] what was deleted before it. A log that only this process writes, as which this default takes it, is always there.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the log cannot be asked.
    fn latest(&self, _stream: Stream) -> BoxFuture<'_, Result<()>> {
        ready(Ok(())).boxed()
    }

    /// Whether the log can be written and read now; for readiness. Never waits. By default always.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`], saying what is wrong.
    fn healthy(&self) -> Result<()> {
        Ok(())
    }
}

/// A record's size at the most: key and payload together.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The partition of a key: FNV-1a (64 bit) of its bytes, modulo the number of partitions.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u32::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
}
