//! What the disk allows: appends made durable one after another, as `pg_test_fsync` does.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host;

/// Appends of `bytes` each, every one followed by fdatasync, per second.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn durable_appends(bytes: usize, time: Duration) -> Result<f64> {
    let folder = tempfile::tempdir_in(host::scratch()?)?;
    appends(&folder.path().join("appends"), &vec![7; bytes], time)
}

fn appends(path: &Path, chunk: &[u8], time: Duration) -> Result<f64> {
    let mut file = File::create(path)?;
    let begin = Instant::now();
    let mut count = 0.0;
    while begin.elapsed() < time {
        file.write_all(chunk)?;
        file.sync_data()?;
        count += 1.0;
    }
    Ok(count / begin.elapsed().as_secs_f64())
}
