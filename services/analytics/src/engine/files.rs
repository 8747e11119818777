//! Which segment files count: those that are registered. Others are leftovers of a crash.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kernel::{Error, Result};

use super::Registered;
use super::layout::io_at;
use super::segment::{Segment, SegmentMeta};

/// The segment files that lay in a folder at one moment.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl Files {
    /// Those that lie in `folder` now, which is made when it is not there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn found(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(io_at(folder))?;
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).map_err(io_at(folder))? {
            let name = entry.map_err(io_at(folder))?.file_name();
            names.extend(name.into_string().ok().filter(|name| name.ends_with(".parquet")));
        }
        Ok(Self { folder: folder.to_owned(), names })
    }

    /// Removes those that are not registered. What is registered must have been read after the files were found, and
    /// in a unit of work under the lease: whoever wrote them before can register them no more then, and files of
    /// whoever has the lease afterwards are not among them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_leftovers(&self, registered: &Registered) -> Result<()> {
        let known: BTreeSet<&str> = registered.segments.iter().map(|meta| meta.file.as_str()).collect();
        for name in self.names.iter().filter(|name| !known.contains(name.as_str())) {
            let path = self.folder.join(name);
            tracing::info!(path = %path.display(), "removing a segment that was never registered");
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(io_at(&path))?,
            }
        }
        Ok(())
    }

    /// Every registered segment is there and can be opened.
    ///
    /// # Errors
    /// [`kernel::Kind::Internal`] for one that is missing or damaged.
    pub fn check(&self, segments: &[SegmentMeta]) -> Result<()> {
        for meta in segments {
            self.is_there(meta)?;
            Segment::open(&self.folder, meta.clone(), 0)?;
        }
        Ok(())
    }

    fn is_there(&self, meta: &SegmentMeta) -> Result<()> {
        if self.names.contains(&meta.file) {
            return Ok(());
        }
        Err(Error::internal(format!(
            "segment `{}` is registered and not in `{}`; restore it from a backup",
            meta.file,
            self.folder.display()
        )))
    }
}
