//! What the writer needs of a file, so that tests can put a failing disk in its place.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A segment file being written.
pub(super) trait SegmentFile: Send {
    /// Writes all bytes behind the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything written is durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Durably cuts the file off at `length`.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Opens an existing segment file for writing.
pub(super) type OpenFile = Box<dyn Fn(&Path) -> io::Result<Box<dyn SegmentFile>> + Send>;

/// On the real disk.
pub(super) fn on_disk() -> OpenFile {
    Box::new(|path| Ok(Box::new(OpenOptions::new().append(true).open(path)?)))
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}
