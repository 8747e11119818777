//! Opens the event log that the settings name: files of this process, or JetStream.

use std::path::PathBuf;
use std::sync::Arc;

use bus::Log;
use bus::embedded::{self, EmbeddedLog};
use bus::jetstream::{self, JetStreamLog};
use kernel::{Clock, Error, Kind, Result};

use crate::config::Common;

/// # Errors
/// [`kernel::Kind::Precondition`] for settings that cannot be and a data directory that is in use,
/// [`kernel::Kind::Unavailable`] when no server answers.
pub(crate) async fn open(common: &Common, clock: &Clock) -> Result<Arc<dyn Log>> {
    let bus = &common.bus;
    let retention = bus.retention()?;
    if bus.url.is_empty() {
        let options = embedded::Options {
            partitions: bus.partitions,
            segment_bytes: bus.segment_bytes,
            retention: Some(retention),
            clock: clock.clone(),
        };
        let folder = common.data.join("log");
        let log = tokio::task::spawn_blocking(move || EmbeddedLog::open(&folder, options)).await;
        let log = log.map_err(|cause| Error::internal("opening the log was interrupted").caused_by(cause))?;
        return Ok(log.map_err(named)?);
    }
    if bus.certificate.as_os_str().is_empty() != bus.key.as_os_str().is_empty() {
        let message = "common.bus.certificate and common.bus.key belong together: name both files, or none";
        return Err(Error::precondition("CONFIG_INVALID", message));
    }
    let file = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
    let options = jetstream::Options {
        url: bus.url.clone(),
        prefix: bus.prefix.clone(),
        partitions: bus.partitions,
        replicas: bus.replicas,
        retention: Some(retention),
        authority: file(&bus.authority),
        client: file(&bus.certificate).zip(file(&bus.key)),
        credentials: file(&bus.credentials),
    };
    Ok(JetStreamLog::connect(options).await.map_err(named)?)
}

/// What the log calls an argument is an option here.
fn named(error: Error) -> Error {
    if error.kind == Kind::Invalid {
        return Error::precondition("CONFIG_INVALID", format!("common.bus.{}", error.message));
    }
    error
}
