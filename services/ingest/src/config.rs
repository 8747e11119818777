//! The service's section of the configuration; `config.toml` explains every option.

use std::time::Duration;

use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use store::DatabaseConfig;

/// The section `ingest`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events of one call.
    pub max_batch_events: usize,
    /// Bytes that may wait to be made durable.
    pub in_flight_bytes: u32,
    /// Limits of one event.
    pub event: Event,
    /// Limits of one HTTP request.
    pub http: Http,
    /// Knowing repeated events.
    pub deduplication: Deduplication,
    /// Keeping refused events.
    pub failed_events: FailedEvents,
    /// Platform callbacks.
    pub callbacks: Callbacks,
    /// How often HTTP clients may call with one write key.
    pub write_key: chassis::config::Rate,
    /// The database; the chassis connects to it.
    pub database: DatabaseConfig,
}

/// Limits of one event.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Bytes.
    pub max_bytes: usize,
    /// Levels of nesting.
    pub max_depth: usize,
    /// Named values at all levels.
    pub max_keys: usize,
}

/// Limits of one HTTP request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Bytes as sent.
    pub max_body_bytes: usize,
    /// Bytes inflated, and of a batch's calls with what is lent to each.
    pub max_inflated_bytes: usize,
    /// Time for the whole body to arrive.
    pub body_timeout: String,
}

/// Knowing repeated events.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deduplication {
    /// How long.
    pub window: String,
    /// Longest time between two writes of new ids.
    pub flush_after: String,
    /// Most new ids between two writes.
    pub flush_events: usize,
}

/// Keeping refused events.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FailedEvents {
    /// How long.
    pub keep: String,
    /// How many of each workspace.
    pub max: u64,
}

/// Platform callbacks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Callbacks {
    /// Age of a signature.
    pub max_age: String,
}

/// Reads the length of time of an option.
///
/// # Errors
/// [`kernel::Kind::Precondition`] that names the option.
pub(crate) fn duration(option: &str, text: &str) -> Result<Duration> {
    kernel::time::parse_duration(text)
        .map_err(|message| Error::precondition("CONFIG_INVALID", format!("ingest.{option}: {message}")))
}
