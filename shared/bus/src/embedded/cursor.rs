//! Walks over the frames of one file, in chunks, sharing their memory with what is handed out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kernel::{Error, Result};

use super::frame::{Flaw, Frame, decode, frame_length};
use super::layout::{damaged, unreadable};

const CHUNK: usize = 256 << 10;

/// Why there is no next frame.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file could not be read.
    Io(io::Error),
    /// What stands there is no frame.
    Flaw(Flaw),
}

/// A place in a file.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    file: File,
    /// Of the next frame, in the file.
    offset: u64,
    /// Nothing behind is looked at.
    limit: u64,
    /// From `offset` on.
    chunk: Bytes,
}

impl Cursor {
    /// At `offset` of the file, to read as far as `limit`.
    pub(super) fn open(path: &Path, offset: u64, limit: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { path: path.to_owned(), file, offset, limit, chunk: Bytes::new() })
    }

    /// Where the next frame begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; `None` at the limit.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Stop> {
        if self.offset >= self.limit {
            return Ok(None);
        }
        let length = loop {
            match frame_length(&self.chunk) {
                Some(length) => break length.map_err(Stop::Flaw)?,
                None => self.fill(super::frame::HEAD)?,
            }
        };
        if self.chunk.len() < length {
            self.fill(length)?;
        }
        let frame = decode(&self.chunk.slice(..length)).map_err(Stop::Flaw)?;
        self.chunk = self.chunk.slice(length..);
        self.offset += length as u64;
        Ok(Some(frame))
    }

    /// Makes at least `needed` bytes present.
    fn fill(&mut self, needed: usize) -> Result<(), Stop> {
        let left = usize::try_from(self.limit - self.offset).unwrap_or(usize::MAX);
        if left < needed {
            return Err(Stop::Flaw(Flaw::Partial));
        }
        let mut bytes = vec![0; needed.max(CHUNK).min(left)];
        let kept = self.chunk.len().min(bytes.len());
        let (old, new) = bytes.split_at_mut(kept);
        old.copy_from_slice(self.chunk.get(..kept).unwrap_or_default());
        self.file.read_exact(new).map_err(Stop::Io)?;
        self.chunk = bytes.into();
        Ok(())
    }

    /// `stop` as an error that names this place.
    pub(super) fn error(&self, stop: Stop) -> Error {
        match stop {
            Stop::Io(error) => unreadable(&self.path, error),
            Stop::Flaw(flaw) => damaged(&self.path, self.offset, flaw),
        }
    }
}
