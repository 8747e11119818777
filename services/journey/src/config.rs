//! The section `journey` of the configuration.

use std::time::Duration;

use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use store::DatabaseConfig;

/// Every option; `config.toml` explains them and holds the defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events applied in one transaction.
    pub event_batch: usize,
    /// Runs that go on together.
    pub run_batch: usize,
    /// Calls to other services at the same time.
    pub concurrency: usize,
    /// First wait before a failed call is tried again.
    pub retry_first: String,
    /// Longest wait before a failed call is tried again.
    pub retry_most: String,
    /// Who enters.
    pub entry: Entry,
    /// Where everything is kept.
    pub database: DatabaseConfig,
}

/// Who enters.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Events that were older than this when they were received start no runs; days missed by more are passed over.
    pub max_age: String,
}

/// The options as they are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) event_batch: usize,
    pub(crate) run_batch: usize,
    pub(crate) concurrency: usize,
    pub(crate) max_age: Duration,
    retry_first: Duration,
    retry_most: Duration,
}

impl Config {
    /// Reads lengths of time and refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the option.
    pub(crate) fn knobs(&self) -> Result<Knobs> {
        let wrong = |option: &str, message: &str| {
            Error::precondition("CONFIG_INVALID", format!("journey.{option}: {message}"))
        };
        let length =
            |option: &str, text: &str| kernel::time::parse_duration(text).map_err(|m| wrong(option, &m));
        let count = |option: &str, n: usize, most: usize| {
            if (1..=most).contains(&n) { Ok(n) } else { Err(wrong(option, &format!("must be 1 to {most}"))) }
        };
        Ok(Knobs {
            event_batch: count("event_batch", self.event_batch, 5_000)?,
            // `SendMessages` takes 500 at the most.
            run_batch: count("run_batch", self.run_batch, 500)?,
            concurrency: count("concurrency", self.concurrency, 256)?,
            max_age: length("entry.max_age", &self.entry.max_age)?,
            retry_first: length("retry_first", &self.retry_first)?,
            retry_most: length("retry_most", &self.retry_most)?,
        })
    }
}

impl Knobs {
    /// The wait after so many failed tries in a row.
    pub(crate) fn back_off(&self, attempts: i32) -> Duration {
        let factor = 1_u32 << u32::try_from(attempts).unwrap_or(0).min(20);
        self.retry_first.saturating_mul(factor).min(self.retry_most)
    }
}
