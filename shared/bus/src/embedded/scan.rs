//! Reads a whole segment file, checks it, and says where its sound part ends.

use std::path::Path;

use bytes::Bytes;
use kernel::{Error, Result};

use super::cursor::{Cursor, Stop};
use super::frame::{BATCH_FRAME, Batch, Flaw, Frame, holds_batch};
use super::index::Index;
use super::layout::{damaged, slot, slots, unreadable};

/// A file to scan.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) path: &'a Path,
    pub(super) base: u64,
    pub(super) starts: &'a [u64],
    /// Where its first batch begins.
    pub(super) head: u64,
    pub(super) length: u64,
    pub(super) partitions: u32,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) index: Index,
    /// Next position of every slot.
    pub(super) ends: Vec<u64>,
    /// What ended the scan before the end of the file.
    flaw: Option<(u64, Flaw)>,
}

/// Scans a sealed file: all of it must be sound.
pub(super) fn sealed(subject: &Subject<'_>) -> Result<Found> {
    let found = scan(subject)?;
    match found.flaw {
        Some((offset, flaw)) => Err(damaged(subject.path, offset, flaw)),
        None => Ok(found),
    }
}

/// Scans the newest file: its last batch may be torn, for a crash ends in the middle of a write.
///
/// A batch is written only when the one before it is durable. A flaw with a batch behind it is therefore damage to
/// what had been answered for, and an error; a flaw without one lies in the last batch.
pub(super) fn newest(subject: &Subject<'_>) -> Result<Found> {
    let found = scan(subject)?;
    if let Some((offset, flaw)) = found.flaw {
        let sound = found.index.length;
        let rest = tail(subject.path, sound).map_err(|error| unreadable(subject.path, error))?;
        if holds_batch(&rest.slice(1.min(rest.len())..), subject.base + sound + 1) {
            return Err(damaged(subject.path, offset, flaw));
        }
    }
    Ok(found)
}

fn tail(path: &Path, from: u64) -> std::io::Result<Bytes> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn scan(subject: &Subject<'_>) -> Result<Found> {
    let mut cursor = Cursor::open(subject.path, subject.head, subject.length)
        .map_err(|error| unreadable(subject.path, error))?;
    let index = Index::new(slots(subject.partitions), subject.head);
    let mut found = Found { index, ends: subject.starts.to_vec(), flaw: None };
    let mut notes = Vec::new();
    loop {
        match batch(subject, &mut cursor, &found.ends, &mut notes) {
            Ok(Some(batch)) => {
                for (slot, position, offset) in notes.drain(..) {
                    found.index.note(slot, position, offset);
                    if let Some(end) = found.ends.get_mut(slot) {
                        *end = position + 1;
                    }
                }
                found.index.newest = found.index.newest.max(batch.time);
                found.index.length = cursor.offset();
            }
            Ok(None) => return Ok(found),
            Err(Stop::Flaw(flaw)) => {
                found.flaw = Some((cursor.offset(), flaw));
                return Ok(found);
            }
            Err(stop @ Stop::Io(_)) => return Err::<_, Error>(cursor.error(stop)),
        }
    }
}

type Note = (usize, u64, u64);

/// Reads one batch whole; its records go to `notes`.
fn batch(
    subject: &Subject<'_>,
    cursor: &mut Cursor,
    ends: &[u64],
    notes: &mut Vec<Note>,
) -> Result<Option<Batch>, Stop> {
    let order = || Stop::Flaw(Flaw::Order);
    let begin = cursor.offset();
    let Some(frame) = cursor.next()? else { return Ok(None) };
    let Frame::Batch(batch) = frame else { return Err(order()) };
    if batch.offset != subject.base + begin {
        return Err(order());
    }
    let mut next = ends.to_vec();
    for _ in 0..batch.count {
        let offset = cursor.offset();
        let Some(frame) = cursor.next()? else { return Err(Stop::Flaw(Flaw::Partial)) };
        let Frame::Record(record) = frame else { return Err(order()) };
        let slot = slot(record.stream, record.partition, subject.partitions);
        let expected = next.get_mut(slot).filter(|next| **next == record.position).ok_or_else(order)?;
        *expected += 1;
        notes.push((slot, record.position, offset));
    }
    if cursor.offset() != begin + BATCH_FRAME as u64 + u64::from(batch.bytes) {
        return Err(order());
    }
    Ok(Some(batch))
}
