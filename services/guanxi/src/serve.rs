//! `guanxi serve`: some services, as configured, until SIGTERM.

use kernel::{Clock, Result};

use crate::cli::{Run, Serve};
use crate::stop::Stop;
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
    let mut stop = Stop::listen()?;
    let Some(running) = stop.unless(Box::pin(assembly.launch(Clock::system()))).await? else {
        tracing::info!("asked to stop before it served");
        return Ok(());
    };
    tracing::info!(grpc = %running.grpc, http = %running.http, services = %options.services.join(","), "serving");
    if common.bus.url.is_empty() && !assembly::is_all(&options.services) {
        tracing::warn!(
            "the event log is files of this process: services in other processes hear nothing; set common.bus.url, or serve all"
        );
    }
    stop.asked().await;
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
