//! Which segment files count: those that are registered. Others are leftovers of a crash, or of what was compacted.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

    /// Those that are not registered, to be removed. What is registered must have been read after the files were found,
    /// and in a unit of work under the lease: whoever wrote them before can register them no more then, and files of
    /// whoever has the lease afterwards are not among them.
    pub fn leftovers(self, registered: &Registered) -> Vec<PathBuf> {
        let known: BTreeSet<&str> = registered.segments.iter().map(|meta| meta.file.as_str()).collect();
        let left = self.names.iter().filter(|name| !known.contains(name.as_str()));
        left.map(|name| self.folder.join(name)).collect()
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

/// Files that are not registered any more. Other processes may read them for a while, until they have opened what is
/// registered in their place.
#[derive(Debug)]
pub(crate) struct Unneeded {
    /// So long.
    kept: Duration,
    files: Mutex<Vec<(Instant, Gone)>>,
}

#[derive(Debug)]
enum Gone {
    /// Removed when nobody in this process reads it either.
    Segment(Arc<Segment>),
    File(PathBuf),
}

impl Unneeded {
    pub(crate) fn new(kept: Duration) -> Self {
        Self { kept, files: Mutex::default() }
    }

    pub(crate) fn add_segments(&self, segments: impl IntoIterator<Item = Arc<Segment>>) {
        self.add(segments.into_iter().map(Gone::Segment));
    }

    pub(crate) fn add_files(&self, files: impl IntoIterator<Item = PathBuf>) {
        self.add(files.into_iter().map(Gone::File));
    }

    fn add(&self, gone: impl Iterator<Item = Gone>) {
        let now = Instant::now();
        self.lock().extend(gone.map(|gone| (now, gone)));
    }

    /// Removes what was kept long enough.
    pub(crate) fn remove(&self) {
        let due: Vec<(Instant, Gone)> =
            self.lock().extract_if(.., |(since, _)| since.elapsed() >= self.kept).collect();
        for (_, gone) in due {
            match gone {
                Gone::Segment(segment) => segment.retire(),
                Gone::File(path) => remove(&path),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Gone)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that cannot be removed stays until the lease is taken anew.
pub(crate) fn remove(path: &Path) {
    tracing::info!(path = %path.display(), "removing a segment that is not registered");
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a segment that is not registered stays for now");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_removed_in_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        for path in [&first, &second] {
            std::fs::write(path, "events").unwrap();
        }
        let kept = Duration::from_secs(900);
        let unneeded = Unneeded::new(kept);
        unneeded.add_files([first.clone(), second.clone()]);
        unneeded.remove();
        assert!(first.exists() && second.exists());
        unneeded.lock()[0].0 -= kept;
        unneeded.remove();
        assert!(!first.exists() && second.exists());
    }
}
