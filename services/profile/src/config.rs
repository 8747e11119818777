//! The section `profile` of the configuration.

use std::time::Duration;

use kernel::{Error, Result};
use store::DatabaseConfig;

/// As read; see `config.toml`.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events in one transaction at the most.
    pub batch: usize,
    /// How long events stay on the timeline, such as `400d`.
    pub timeline_retention: String,
    /// How long answers are kept for repeated idempotency keys.
    pub idempotency_retention: String,
    /// Records looked at in one call of `ListProfiles`.
    pub scan_limit: u64,
    /// The service's database.
    pub database: DatabaseConfig,
}

/// The part that is used after the start, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) timeline_retention: Duration,
    pub(crate) idempotency_retention: Duration,
    pub(crate) scan_limit: u64,
}

impl Config {
    pub(crate) fn knobs(&self) -> Result<Knobs> {
        Ok(Knobs {
            timeline_retention: duration("timeline_retention", &self.timeline_retention)?,
            idempotency_retention: duration("idempotency_retention", &self.idempotency_retention)?,
            scan_limit: self.scan_limit.max(1),
        })
    }
}

fn duration(option: &str, text: &str) -> Result<Duration> {
    kernel::time::parse_duration(text)
        .map_err(|message| Error::precondition("CONFIG_INVALID", format!("profile.{option}: {message}")))
}
