//! One process at a time: a locked file in the folder that says who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use kernel::{Error, Result};

/// Makes the folder and locks it for as long as the answered file is open. The system lets go of it with the process,
/// however that ends.
pub(super) fn acquire(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).map_err(|error| unusable(folder, error))?;
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(|error| unusable(folder, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(folder, &path)),
        Err(TryLockError::Error(error)) => return Err(unusable(folder, error)),
    }
    let named = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    named.map_err(|error| unusable(folder, error))?;
    Ok(file)
}

fn in_use(folder: &Path, lock: &Path) -> Error {
    let holder = fs::read_to_string(lock).unwrap_or_default();
    let holder = if holder.is_empty() { "unknown" } else { holder.trim() };
    Error::precondition(
        "FOLDER_IN_USE",
        format!(
            "data directory {} is in use by another process (pid {holder}); stop it, or name another directory",
            folder.display()
        ),
    )
}

fn unusable(folder: &Path, error: io::Error) -> Error {
    Error::precondition(
        "FOLDER_UNUSABLE",
        format!(
            "cannot use data directory {}: {error}; name a directory that this user may write",
            folder.display()
        ),
    )
    .caused_by(error)
}
