//! `guanxi serve`: some services, as configured, until SIGTERM.

use kernel::{Clock, Error, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Run, Serve};
use crate::{assembly, ui};

/// Runs until SIGTERM or Ctrl-C, then drains.
///
/// # Errors
/// What starting says.
pub(crate) async fn run(options: Serve) -> Result<()> {
    let assembly = assembly::of(&options.services, &options.run)?;
    if print_config(&assembly, &options.run)? {
        return Ok(());
    }
    let settings = assembly.layers.merge()?;
    let common: chassis::config::Common = settings.section("common")?;
    let _telemetry =
        chassis::telemetry::install(&common.log, &common.telemetry, &options.services.join(","))?;
    let running = assembly.launch(Clock::system()).await?;
    tracing::info!(grpc = %running.grpc, http = %running.http, services = %options.services.join(","), "serving");
    if common.bus.url.is_empty() && !assembly::is_all(&options.services) {
        tracing::warn!(
            "the event log is files of this process: services in other processes hear nothing; set common.bus.url, or serve all"
        );
    }
    until_stopped().await?;
    tracing::info!("draining");
    running.shutdown().await;
    Ok(())
}

/// Shows the merged settings if asked to; says whether it did.
///
/// # Errors
/// When they cannot be merged.
pub(crate) fn print_config(assembly: &chassis::Assembly, run: &Run) -> Result<bool> {
    if run.print_config {
        ui::say(assembly.layers.merge()?.show()?);
    }
    Ok(run.print_config)
}

/// Returns on SIGTERM or Ctrl-C.
///
/// # Errors
/// When the signals cannot be listened to.
pub(crate) async fn until_stopped() -> Result<()> {
    let deaf = |cause| Error::internal("signals cannot be received").caused_by(cause);
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.map_err(deaf),
    }
}
