//! How a folder is laid out: file names, what a segment file begins with, slots, and errors that name a place.
//!
//! `{first offset:020}.log` holds records, `{first offset:020}.index` is its index, `lock` keeps others out. Offsets
//! count the bytes of all `.log` files ever written, so that one file ends where the next begins.
//!
//! A segment file begins with what the log knew then: the next position of every slot. Without it, a partition that
//! has been silent for longer than the retention would begin again at 0.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kernel::{Error, Kind, Result};

use super::frame::Flaw;
use crate::Stream;

const MAGIC: &[u8; 8] = b"GXLOG\0\0\x01";

/// Where the state of one partition of one stream stands in a list of all of them.
pub(super) fn slot(stream: Stream, partition: u32, partitions: u32) -> usize {
    let first = match stream {
        Stream::Raw => 0,
        Stream::Events => partitions,
    };
    (first + partition) as usize
}

/// Number of slots.
pub(super) fn slots(partitions: u32) -> usize {
    partitions as usize * Stream::ALL.len()
}

/// The file of the segment that begins at `base`.
pub(super) fn log_path(folder: &Path, base: u64) -> PathBuf {
    folder.join(format!("{base:020}.log"))
}

/// Where the segments in `folder` begin, in order. Files that a crash left half made are removed.
pub(super) fn bases(folder: &Path) -> Result<Vec<u64>> {
    let failed = |error| unreadable(folder, error);
    let mut bases = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => bases.push(base_of(&path)?),
            Some("new") => fs::remove_file(&path).map_err(|error| unwritable(&path, error))?,
            _ => {}
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

fn base_of(path: &Path) -> Result<u64> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.len() == 20);
    name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Error::precondition(
            "LOG_FOREIGN_FILE",
            format!("{} is not a file of the event log; move it out of the folder", path.display()),
        )
    })
}

/// Makes the segment file that begins at `base`, whole or not at all, and answers its length.
pub(super) fn create(folder: &Path, base: u64, starts: &[u64]) -> io::Result<u64> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&base.to_le_bytes());
    head.extend_from_slice(&u32::try_from(starts.len()).unwrap_or(u32::MAX).to_le_bytes());
    for start in starts {
        head.extend_from_slice(&start.to_le_bytes());
    }
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    write_whole(&log_path(folder, base), &head, true)?;
    File::open(folder)?.sync_all()?;
    Ok(head.len() as u64)
}

/// Writes a file under another name first, so that under its own it is whole.
pub(super) fn write_whole(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(&unfinished, path)
}

/// The next positions with which a segment file begins, and the length of that beginning.
pub(super) fn read_head(path: &Path, base: u64, partitions: u32) -> Result<(Vec<u64>, u64)> {
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut head = Vec::new();
    // The longest head that options allow is far shorter.
    io::Read::read_to_end(&mut io::Read::take(&mut file, 1 << 20), &mut head)
        .map_err(|error| unreadable(path, error))?;
    let number = |at: usize| {
        head.get(at..at + 8).and_then(|bytes| bytes.first_chunk()).map(|b| u64::from_le_bytes(*b))
    };
    let small = |at: usize| {
        head.get(at..at + 4).and_then(|bytes| bytes.first_chunk()).map(|b| u32::from_le_bytes(*b))
    };
    let written = small(16).unwrap_or(0) as usize;
    let end = 20 + written.saturating_mul(8);
    let sound = head.starts_with(MAGIC)
        && number(8) == Some(base)
        && head.get(..end).is_some_and(|covered| small(end) == Some(crc32fast::hash(covered)));
    if !sound {
        return Err(damaged(path, 0, Flaw::Checksum));
    }
    if written != slots(partitions) {
        return Err(Error::precondition(
            "LOG_PARTITIONS",
            format!(
                "{} was written with {} partitions and {partitions} are configured; set the number back, or begin \
                 with an empty folder",
                path.display(),
                written / Stream::ALL.len()
            ),
        ));
    }
    let starts = (0..written).filter_map(|slot| number(20 + slot * 8)).collect();
    Ok((starts, end as u64 + 4))
}

/// The file's bytes are not what was written.
pub(super) fn damaged(path: &Path, offset: u64, flaw: Flaw) -> Error {
    Error::new(
        Kind::Internal,
        "LOG_DAMAGED",
        format!(
            "event log damaged: {} at byte {offset} of {}; restore the folder from a backup, or, when it is not the \
             newest .log file, give up its records by moving it and every older .log file out of the folder",
            flaw.text(),
            path.display()
        ),
    )
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!(
        "cannot read {}: {error}; check the disk and the file's permissions",
        path.display()
    ))
    .caused_by(error)
}

pub(super) fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!(
        "cannot write {}: {error}; check free space, and that this user may write the folder",
        path.display()
    ))
    .caused_by(error)
}
