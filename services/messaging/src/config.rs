//! The section `messaging` of the configuration.

use std::time::Duration;

use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use store::DatabaseConfig;

use crate::domain::retry::Retry;

/// Every option; `config.toml` explains them and holds the defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Messages claimed, rendered and handed over together, per channel.
    pub batch: u32,
    /// Messages handed over at the same time, per channel.
    pub concurrency: u32,
    /// How long a provider may take to answer.
    pub timeout: String,
    /// Waits before another try on the same channel.
    pub retry: Vec<String>,
    /// Where channels may lead.
    pub outbound: Outbound,
    /// Where everything is kept.
    pub database: DatabaseConfig,
}

/// Where channels may lead.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Whether into private networks and to this machine.
    pub allow_private: Private,
}

/// When private addresses may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Private {
    /// In no case.
    Never,
    /// In development mode.
    Dev,
    /// Always.
    Always,
}

impl Private {
    /// Whether they may, in development mode or out of it.
    pub(crate) fn allowed(self, dev: bool) -> bool {
        self == Self::Always || (self == Self::Dev && dev)
    }
}

/// The options as the delivery uses them.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    pub(crate) batch: usize,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
}

impl Config {
    /// Reads lengths of time and refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the option.
    pub(crate) fn knobs(&self) -> Result<Knobs> {
        let positive = |name: &str, value: u32, most: u32| match usize::try_from(value) {
            Ok(value) if value > 0 && value <= most as usize => Ok(value),
            _ => Err(wrong(name, &format!("write a number from 1 to {most}"))),
        };
        let length = |name: &str, text: &String| {
            kernel::time::parse_duration(text).map_err(|message| wrong(name, &message))
        };
        Ok(Knobs {
            batch: positive("batch", self.batch, 500)?,
            concurrency: positive("concurrency", self.concurrency, 1_000)?,
            timeout: length("timeout", &self.timeout)?,
            retry: Retry::new(self.retry.iter().map(|wait| length("retry", wait)).collect::<Result<_>>()?),
        })
    }
}

fn wrong(option: &str, message: &str) -> Error {
    Error::precondition("CONFIG_INVALID", format!("messaging.{option}: {message}"))
}
