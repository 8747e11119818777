//! Reading: from memory when it is recent, from the files otherwise.

use std::io;
use std::sync::Arc;

use kernel::{Error, Result};

use super::cursor::{Cursor, Stop};
use super::frame::Frame;
use super::layout::{slot as slot_of, unreadable};
use super::segment::Segment;
use super::shared::Shared;
use crate::Entry;
use crate::names::Names;
use crate::room::Room;

/// What one call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) slot: usize,
    pub(super) from: u64,
    /// Nothing at or behind.
    pub(super) end: u64,
    pub(super) max: usize,
}

/// The recent ones; `None` when the files must be asked.
pub(super) fn recent(shared: &Shared, wanted: Wanted) -> Option<Vec<Entry>> {
    let mut room = Room::new(wanted.max);
    shared.tail.read(wanted.slot, wanted.from, wanted.end, |entry| room.take(entry))
}

/// Why the files could not be read.
#[derive(Debug)]
pub(super) enum Failed {
    /// The file that began there has been deleted.
    Gone(Arc<Segment>),
    Other(Error),
}

/// From the files. Blocks.
pub(super) fn stored(shared: &Shared, mut wanted: Wanted) -> Result<Vec<Entry>> {
    loop {
        wanted.from = wanted.from.max(shared.segments.start(wanted.slot));
        let segments = shared.segments.from(wanted.slot, wanted.from);
        match attempt(shared, &segments, wanted) {
            Ok(entries) => return Ok(entries),
            // Expired since we looked: begin with what follows it.
            Err(Failed::Gone(segment)) if !shared.segments.keeps(segment.base) => {}
            Err(Failed::Gone(segment)) => {
                return Err(unreadable(&segment.path, io::ErrorKind::NotFound.into()));
            }
            Err(Failed::Other(error)) => return Err(error),
        }
    }
}

/// Reads from these files.
pub(super) fn attempt(
    shared: &Shared,
    segments: &[Arc<Segment>],
    wanted: Wanted,
) -> Result<Vec<Entry>, Failed> {
    let mut entries = Vec::new();
    let mut room = Room::new(wanted.max);
    let mut names = Names::default();
    for segment in segments {
        let Some(mut cursor) = open(segment, wanted)? else { continue };
        loop {
            let frame = cursor.next().map_err(|stop| Failed::Other(cursor.error(stop)))?;
            let Some(frame) = frame else { break };
            let Frame::Record(raw) = frame else { continue };
            if slot_of(raw.stream, raw.partition, shared.partitions) != wanted.slot
                || raw.position < wanted.from
            {
                continue;
            }
            let record =
                raw.record(&mut names).map_err(|flaw| Failed::Other(cursor.error(Stop::Flaw(flaw))))?;
            let entry = Entry { position: raw.position, record };
            if entry.position >= wanted.end || !room.take(&entry) {
                return Ok(entries);
            }
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn open(segment: &Arc<Segment>, wanted: Wanted) -> Result<Option<Cursor>, Failed> {
    let (offset, limit) = {
        let index = segment.index();
        (index.seek(wanted.slot, wanted.from), index.length)
    };
    let cursor = offset.map(|offset| Cursor::open(&segment.path, offset, limit)).transpose();
    cursor.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failed::Gone(segment.clone()),
        _ => Failed::Other(unreadable(&segment.path, error)),
    })
}
