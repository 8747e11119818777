//! The section `analytics` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use kernel::{Error, Result};
use store::DatabaseConfig;

use crate::engine::Options;

/// As read; see `config.toml`.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events read from the log at a time.
    pub batch: usize,
    /// Events in memory at which they are written to a segment.
    pub flush_rows: usize,
    /// Age at which they are written at the latest, such as `10m`.
    pub flush_age: String,
    /// Events of a segment, at the most.
    pub segment_rows: u64,
    /// Segments of about one size that are made one.
    pub fan_in: usize,
    /// How long files are kept that were compacted, for processes that read them still, such as `15m`.
    pub replaced_kept: String,
    /// Bytes of columns kept in memory between queries.
    pub cache_bytes: usize,
    /// Threads of one query.
    pub threads: usize,
    /// Queries answered at a time.
    pub queries: usize,
    /// The service's database.
    pub database: DatabaseConfig,
}

impl Config {
    /// What the engine takes of it. Where no other process reads the files, none is kept that nobody needs.
    pub(crate) fn engine(&self, folder: PathBuf, is_shared: bool) -> Result<Options> {
        let kept = length("replaced_kept", &self.replaced_kept)?;
        Ok(Options {
            folder,
            cache_bytes: self.cache_bytes,
            threads: self.threads.max(1),
            flush_rows: self.flush_rows.max(1),
            segment_rows: self.segment_rows.max(2),
            fan_in: self.fan_in.max(2),
            kept: if is_shared { kept } else { Duration::ZERO },
        })
    }

    pub(crate) fn flush_age(&self) -> Result<Duration> {
        length("flush_age", &self.flush_age)
    }
}

fn length(option: &str, text: &str) -> Result<Duration> {
    kernel::time::parse_duration(text)
        .map_err(|message| Error::precondition("CONFIG_INVALID", format!("analytics.{option}: {message}")))
}
