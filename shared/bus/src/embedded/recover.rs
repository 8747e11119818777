//! Opening: what the files of a folder say, made ready to be read and continued.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kernel::{Error, Result};
use tokio::sync::watch;

use super::Options;
use super::file::OpenFile;
use super::index::Index;
use super::layout::{self, slots, unreadable, unwritable};
use super::scan::{self, Subject};
use super::segment::{Segment, Segments};
use super::shared::Shared;
use crate::tail::Tail;

/// Reads the folder, which must be locked, and makes its first file when there is none.
pub(super) fn recover(folder: &Path, options: Options, open: &OpenFile) -> Result<Shared> {
    let partitions = options.partitions;
    let mut bases = layout::bases(folder)?;
    if bases.is_empty() {
        layout::create(folder, 0, &vec![0; slots(partitions)]).map_err(|error| unwritable(folder, error))?;
        bases.push(0);
    }
    let mut segments = Vec::with_capacity(bases.len());
    let mut ends = Vec::new();
    let mut expected = None;
    for (at, base) in bases.iter().copied().enumerate() {
        if expected.is_some_and(|expected| expected != base) {
            return Err(gap(folder, base));
        }
        let newest = at + 1 == bases.len();
        let (segment, length) = if newest {
            let segment;
            (segment, ends) = self::newest(folder, base, partitions, open)?;
            let length = segment.length();
            (segment, length)
        } else {
            sealed(folder, base, partitions)?
        };
        expected = Some(base + length);
        segments.push(Arc::new(segment));
    }
    let shared = Shared {
        folder: folder.to_owned(),
        partitions,
        segment_bytes: options.segment_bytes,
        retention: options.retention,
        clock: options.clock,
        segments: Segments::new(segments),
        tail: Tail::new(slots(partitions)),
        ends: ends.into_iter().map(watch::Sender::new).collect(),
        broken: std::sync::OnceLock::new(),
    };
    shared.expire();
    Ok(shared)
}

/// A file that is no longer written: its index is taken as it was saved, or made again.
fn sealed(folder: &Path, base: u64, partitions: u32) -> Result<(Segment, u64)> {
    let path = layout::log_path(folder, base);
    let (starts, head) = layout::read_head(&path, base, partitions)?;
    let length = length(&path)?;
    let index = if let Some(index) = Index::load(&path, slots(partitions), length) {
        index
    } else {
        let found = scan::sealed(&Subject { path: &path, base, starts: &starts, head, length, partitions })?;
        save(&found.index, &path);
        found.index
    };
    Ok((Segment::new(folder, base, starts, index), length))
}

/// The file that is written next: scanned, its torn end cut off, and durable as it now stands.
fn newest(folder: &Path, base: u64, partitions: u32, open: &OpenFile) -> Result<(Segment, Vec<u64>)> {
    let path = layout::log_path(folder, base);
    let (starts, head) = layout::read_head(&path, base, partitions)?;
    let length = length(&path)?;
    let found = scan::newest(&Subject { path: &path, base, starts: &starts, head, length, partitions })?;
    let sound = found.index.length;
    let mut file = open(&path).map_err(|error| unwritable(&path, error))?;
    if sound < length {
        tracing::warn!(
            file = %path.display(), offset = sound, bytes = length - sound,
            "cut off the end of the event log, which a crash left unfinished; nobody had been answered for it"
        );
        file.cut(sound).map_err(|error| unwritable(&path, error))?;
    }
    // A killed process may have written more than it made durable; readers must not see what a power cut could take.
    file.sync().map_err(|error| unwritable(&path, error))?;
    Ok((Segment::new(folder, base, starts, found.index), found.ends))
}

/// Saves an index; without it, the file is only read once more at the next start.
pub(super) fn save(index: &Index, log: &Path) {
    if let Err(error) = index.save(log) {
        tracing::warn!(file = %log.display(), %error, "cannot save the index of a segment; it is made again at the next start");
    }
}

fn length(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|data| data.len()).map_err(|error| unreadable(path, error))
}

fn gap(folder: &Path, base: u64) -> Error {
    Error::new(
        kernel::Kind::Internal,
        "LOG_DAMAGED",
        format!(
            "event log damaged: the file before {} is missing or has another length; restore the folder from a \
             backup, or give up all records before that file by moving the older .log files out of the folder",
            layout::log_path(folder, base).display()
        ),
    )
}
