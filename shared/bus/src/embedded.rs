//! The log of one process: files in a folder, one write and one fdatasync for all callers that wait.
//!
//! All streams and partitions share one append-only log, cut into segment files, so that one group commit is one
//! write. `writer` appends, `reader` reads, `recover` opens; `layout` and `frame` say what stands on disk.

mod cursor;
mod file;
mod frame;
mod index;
mod layout;
mod lock;
mod reader;
mod recover;
mod scan;
mod segment;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, pending, ready};
use kernel::{Clock, Error, Result};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use self::file::OpenFile;
use self::reader::Wanted;
use self::shared::Shared;
use self::writer::{Request, Writer};
use crate::size::{check, weight};
use crate::{Entry, Log, Record, Stream};

/// Bytes of records that wait to be written, at the most; who brings more waits before.
const QUEUE_BYTES: u32 = 64 << 20;
/// More partitions serve nobody within one process.
const MAX_PARTITIONS: u32 = 1024;

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of every stream, 1 to 1024; fixed once the folder has been created.
    pub partitions: u32,
    /// A file that has grown to so many bytes is sealed and a new one begun.
    pub segment_bytes: u64,
    /// Sealed files whose newest record is older are deleted, at opening and whenever a file is sealed; `None` keeps
    /// everything.
    pub retention: Option<Duration>,
    /// Tells the age of records.
    pub clock: Clock,
}

impl Default for Options {
    /// One partition, files of 64 MiB, kept for 8 days.
    fn default() -> Self {
        Self {
            partitions: 1,
            segment_bytes: 64 << 20,
            retention: Some(Duration::from_secs(8 * 86_400)),
            clock: Clock::system(),
        }
    }
}

/// The log in one folder, which no other process may use meanwhile.
///
/// Dropping it blocks until what was accepted is durable; [`EmbeddedLog::close`] does the same without blocking.
/// Positions have no gaps here.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    /// `None` once closed.
    requests: Mutex<Option<mpsc::UnboundedSender<Request>>>,
    /// Room in the queue, in bytes.
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Closed when the writer has ended and the folder is free again.
    ended: watch::Receiver<()>,
}

impl EmbeddedLog {
    /// Opens the log in `folder`, which is created when missing. Blocks while it reads the newest file.
    ///
    /// What a crash left unfinished at the very end is cut off, with a warning.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] when the folder is in use or unusable, or was made with another number of
    /// partitions; [`kernel::Kind::Internal`] when its files are damaged; [`kernel::Kind::Unavailable`] when the disk
    /// fails.
    pub fn open(folder: &Path, options: Options) -> Result<Arc<Self>> {
        Self::open_with(folder, options, file::on_disk())
    }

    /// The same, with files opened by `open`.
    fn open_with(folder: &Path, options: Options, open: OpenFile) -> Result<Arc<Self>> {
        if !(1..=MAX_PARTITIONS).contains(&options.partitions) {
            let wrong = format!("{} is not possible; choose 1 to {MAX_PARTITIONS}", options.partitions);
            return Err(Error::invalid("partitions", wrong));
        }
        let lock = lock::acquire(folder)?;
        let shared = Arc::new(recover::recover(folder, options, &open)?);
        let writer = Writer::new(shared.clone(), open)?;
        let (requests, waiting) = mpsc::unbounded_channel();
        let (ending, ended) = watch::channel(());
        let serve = move || {
            writer.run(waiting);
            drop(lock);
            drop(ending);
        };
        let thread = std::thread::Builder::new().name("event-log".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| {
            Error::unavailable(format!("cannot start the event log's thread: {error}")).caused_by(error)
        })?;
        Ok(Arc::new(Self {
            shared,
            requests: Mutex::new(Some(requests)),
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            thread: Mutex::new(Some(thread)),
            ended,
        }))
    }

    /// Finishes what was accepted and frees the folder; later appends are refused. Reading goes on.
    pub async fn close(&self) {
        drop(lock(&self.requests).take());
        let mut ended = self.ended.clone();
        // Nothing is ever sent: the error says that the writer is gone.
        while ended.changed().await.is_ok() {}
    }

    /// One group's worth at the most.
    async fn append_some(&self, stream: Stream, records: Vec<Record>) -> Result<()> {
        let bytes: usize = records.iter().map(weight).sum();
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(QUEUE_BYTES);
        let room = self.room.clone().acquire_many_owned(share).await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let request = Request { stream, records, answer, room };
        let accepted = lock(&self.requests).as_ref().is_some_and(|requests| requests.send(request).is_ok());
        if !accepted {
            return Err(closed());
        }
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    fn slot(&self, stream: Stream, partition: u32) -> Option<usize> {
        let partitions = self.shared.partitions;
        (partition < partitions).then(|| layout::slot(stream, partition, partitions))
    }

    async fn read_slot(&self, slot: usize, from: u64, max: usize) -> Result<Vec<Entry>> {
        let wanted = Wanted {
            slot,
            from: from.max(self.shared.segments.start(slot)),
            end: self.shared.end(slot),
            max,
        };
        if wanted.from >= wanted.end || max == 0 {
            return Ok(Vec::new());
        }
        if let Some(entries) = reader::recent(&self.shared, wanted) {
            return Ok(entries);
        }
        let shared = self.shared.clone();
        let reading = tokio::task::spawn_blocking(move || reader::stored(&shared, wanted));
        reading.await.unwrap_or_else(|error| {
            Err(Error::unavailable("reading the event log was cut short; read again").caused_by(error))
        })
    }
}

impl Log for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        async move {
            check(&records)?;
            // One after the other: had a later part succeeded where an earlier one failed, order would be lost.
            for part in parts(records) {
                self.append_some(stream, part).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn read(
        &self,
        stream: Stream,
        partition: u32,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>>> {
        match self.slot(stream, partition) {
            Some(slot) => self.read_slot(slot, from, max).boxed(),
            None => {
                let wrong = format!("{partition} is not there; the log has {}", self.shared.partitions);
                ready(Err(Error::invalid("partition", wrong))).boxed()
            }
        }
    }

    fn end(&self, stream: Stream, partition: u32) -> u64 {
        self.slot(stream, partition).map_or(0, |slot| self.shared.end(slot))
    }

    fn start(&self, stream: Stream, partition: u32) -> u64 {
        self.slot(stream, partition).map_or(0, |slot| self.shared.segments.start(slot))
    }

    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()> {
        let end = self.slot(stream, partition).and_then(|slot| self.shared.ends.get(slot));
        let Some(end) = end else { return pending().boxed() };
        let mut changes = end.subscribe();
        async move {
            // The sender lives in `self`: this cannot fail.
            let _reached = changes.wait_for(|end| *end > position).await;
        }
        .boxed()
    }

    fn healthy(&self) -> Result<()> {
        match self.shared.broken.get() {
            Some(broken) => Err(Error::unavailable(broken.clone())),
            None if self.ended.has_changed().is_err() => Err(closed()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EmbeddedLog {
    /// No content: it is about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        drop(lock(&self.requests).take());
        if lock(&self.thread).take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(folder = %self.shared.folder.display(), "the event log's thread ended by a panic");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cuts records into what one group commit takes.
fn parts(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = 0;
    for record in records {
        let more = weight(&record);
        if !part.is_empty() && (bytes + more > writer::BATCH_BYTES || part.len() >= writer::BATCH_RECORDS) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.push(record);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn closed() -> Error {
    Error::unavailable("the event log is closed: the process is shutting down")
}
