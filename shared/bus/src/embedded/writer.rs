//! The one thread that writes: it takes everything that waits, writes it with one call, makes it durable with one more,
//! then shows it to readers and answers.

use std::io;
use std::sync::Arc;

use kernel::{Error, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::file::{OpenFile, SegmentFile};
use super::frame::{self, BATCH_FRAME, Batch};
use super::index::Index;
use super::layout::{self, log_path, slot};
use super::recover::save;
use super::segment::Segment;
use super::shared::Shared;
use crate::{Entry, Record, Stream};

/// One group commit takes no further request beyond so many bytes …
pub(super) const BATCH_BYTES: usize = 8 << 20;
/// … or so many records.
pub(super) const BATCH_RECORDS: usize = 20_000;

/// What a caller wants to have appended.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: Stream,
    pub(super) records: Vec<Record>,
    pub(super) answer: oneshot::Sender<Result<()>>,
    /// Its share of the queue, given back with the answer.
    pub(super) room: OwnedSemaphorePermit,
}

/// Owns the newest file.
pub(super) struct Writer {
    shared: Arc<Shared>,
    open: OpenFile,
    segment: Arc<Segment>,
    file: Box<dyn SegmentFile>,
    bytes: Vec<u8>,
    /// Whether anything has been appended since the log was opened.
    dirty: bool,
}

/// A group commit in the making.
struct Group {
    /// Slot, entry, and offset in the file.
    entries: Vec<(usize, Entry, u64)>,
    next: Vec<u64>,
    answers: Vec<(oneshot::Sender<Result<()>>, OwnedSemaphorePermit)>,
    time: kernel::Time,
}

impl Writer {
    /// Continues the newest file of `shared`.
    pub(super) fn new(shared: Arc<Shared>, open: OpenFile) -> Result<Self> {
        let Some(segment) = shared.segments.from(0, u64::MAX).pop() else {
            return Err(Error::internal("an opened log has no file"));
        };
        let file = open(&segment.path).map_err(|error| layout::unwritable(&segment.path, error))?;
        Ok(Self { shared, open, segment, file, bytes: Vec::new(), dirty: false })
    }

    /// Serves requests until nobody can send any more, and all that were accepted are answered.
    pub(super) fn run(mut self, mut requests: UnboundedReceiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut group = self.begin();
            self.add(&mut group, first);
            while self.bytes.len() < BATCH_BYTES && group.entries.len() < BATCH_RECORDS {
                let Ok(request) = requests.try_recv() else { break };
                self.add(&mut group, request);
            }
            self.finish(group);
        }
        if self.dirty {
            // An empty batch: it shows that the one before it is whole, so that damage to it is known as such.
            let group = self.begin();
            self.finish(group);
        }
    }

    fn begin(&mut self) -> Group {
        self.bytes.clear();
        self.bytes.shrink_to(2 * BATCH_BYTES);
        let time = self.shared.clock.now();
        frame::put_batch(&mut self.bytes, Batch { offset: 0, bytes: 0, count: 0, time });
        let next = (0..self.shared.ends.len()).map(|slot| self.shared.end(slot)).collect();
        Group { entries: Vec::new(), next, answers: Vec::new(), time }
    }

    fn add(&mut self, group: &mut Group, request: Request) {
        let partitions = self.shared.partitions;
        for record in request.records {
            let partition = crate::partition_of(&record.key, partitions);
            let slot = slot(request.stream, partition, partitions);
            let Some(next) = group.next.get_mut(slot) else { continue };
            let position = *next;
            *next += 1;
            let offset = self.bytes.len() as u64;
            frame::put_record(&mut self.bytes, request.stream, partition, position, &record);
            group.entries.push((slot, Entry { position, record }, offset));
        }
        group.answers.push((request.answer, request.room));
    }

    fn finish(&mut self, group: Group) {
        let written = match self.shared.broken.get() {
            Some(broken) => Err(broken.clone()),
            None => self.write(&group),
        };
        let answers = match &written {
            Ok(begin) => self.publish(group, *begin),
            Err(message) => {
                tracing::error!(message, callers = group.answers.len(), "cannot append to the event log");
                group.answers
            }
        };
        for (answer, room) in answers {
            // Nobody listens when the caller went away.
            let _gone = answer
                .send(written.as_ref().map(|_| ()).map_err(|message| Error::unavailable(message.clone())));
            drop(room);
        }
    }

    /// Makes the group durable and answers the offset at which it begins in the file, or what went wrong.
    fn write(&mut self, group: &Group) -> Result<u64, String> {
        if self.segment.length() >= self.shared.segment_bytes {
            self.roll().map_err(|error| layout::unwritable(&self.shared.folder, error).message)?;
        }
        let begin = self.segment.length();
        let batch = Batch {
            offset: self.segment.base + begin,
            bytes: u32::try_from(self.bytes.len() - BATCH_FRAME).unwrap_or(u32::MAX),
            count: u32::try_from(group.entries.len()).unwrap_or(u32::MAX),
            time: group.time,
        };
        frame::seal_batch(&mut self.bytes, batch);
        let Err(error) = self.file.append(&self.bytes).and_then(|()| self.file.sync()) else {
            return Ok(begin);
        };
        if let Err(cut) = self.file.cut(begin) {
            let broken = format!(
                "the event log takes no more records: after a failed write ({error}), {} could not be cut back to \
                 {begin} bytes ({cut}); check the disk and start the process again",
                self.segment.path.display()
            );
            // Set once: nothing is written after it.
            let _first = self.shared.broken.set(broken);
        }
        Err(layout::unwritable(&self.segment.path, error).message)
    }

    /// Shows a durable group to readers.
    fn publish(
        &mut self,
        group: Group,
        begin: u64,
    ) -> Vec<(oneshot::Sender<Result<()>>, OwnedSemaphorePermit)> {
        self.dirty = true;
        {
            let mut index = self.segment.index_mut();
            for (slot, entry, offset) in &group.entries {
                index.note(*slot, entry.position, begin + offset);
            }
            index.length = begin + self.bytes.len() as u64;
            index.newest = index.newest.max(group.time);
        }
        self.shared.tail.extend(group.entries.into_iter().map(|(slot, entry, _)| (slot, entry)));
        for (end, next) in self.shared.ends.iter().zip(group.next) {
            end.send_if_modified(|end| std::mem::replace(end, next) != next);
        }
        group.answers
    }

    /// Seals the file and begins the next.
    fn roll(&mut self) -> io::Result<()> {
        let shared = &self.shared;
        let sealed = self.segment.index().clone();
        let base = self.segment.base + sealed.length;
        let starts: Vec<u64> = (0..shared.ends.len()).map(|slot| shared.end(slot)).collect();
        let head = layout::create(&shared.folder, base, &starts)?;
        self.file = (self.open)(&log_path(&shared.folder, base))?;
        save(&sealed, &self.segment.path);
        let index = Index::new(starts.len(), head);
        self.segment = Arc::new(Segment::new(&shared.folder, base, starts, index));
        shared.segments.push(self.segment.clone());
        shared.expire();
        Ok(())
    }
}
