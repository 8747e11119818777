//! Structured logs: text for people, JSON for machines.

use kernel::{Error, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Installs the log once per process; tests leave it out.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for a filter that cannot be read, or when a log is installed already.
pub fn install(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|cause| {
        let message = format!("common.log.filter: {cause}; write something like `info,identity=debug`");
        Error::precondition("CONFIG_INVALID", message)
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|cause| Error::precondition("LOG_INSTALLED", format!("the log could not be installed: {cause}")))
}
