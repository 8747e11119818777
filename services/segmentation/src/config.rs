//! The section `segmentation` of the settings.

use kernel::{Error, Result};
use store::DatabaseConfig;

/// See `config.toml`.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events applied in one transaction at the most.
    pub batch: usize,
    /// Customers evaluated in one transaction at the most.
    pub evaluate_batch: u64,
    /// Records whose history is held in memory before it is written down.
    pub scan_records: usize,
    /// Pause before analytics is asked again.
    pub retry: String,
    /// The database.
    pub database: DatabaseConfig,
}

impl Config {
    /// `retry` as a duration.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] when it is none.
    pub(crate) fn retry(&self) -> Result<std::time::Duration> {
        kernel::time::parse_duration(&self.retry).map_err(|message| {
            Error::precondition("CONFIG_INVALID", format!("segmentation.retry: {message}"))
        })
    }
}
