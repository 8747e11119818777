//! `guanxi migrate`: an operator's step before new processes are rolled out.

use kernel::{Error, Result};

use crate::cli::Serve;
use crate::stop::Stop;
use crate::{assembly, serve, ui};

/// Brings the schemas up to date and says what that took.
///
/// # Errors
/// What the settings or a database says.
pub(crate) async fn run(options: Serve) -> Result<()> {
    let assembly = assembly::of(&options.services, &options.run)?;
    if serve::print_config(&assembly, &options.run)? {
        return Ok(());
    }
    let migrated = Stop::listen()?.unless(Box::pin(assembly.migrate())).await?;
    // No success, or who waits for it would begin on a schema that is behind.
    let stopped = || Error::unavailable("asked to stop before all schemas were up to date; run it again");
    for (service, applied) in migrated.ok_or_else(stopped)? {
        ui::say(match applied {
            0 => format!("{service}: up to date"),
            1 => format!("{service}: 1 migration applied"),
            many => format!("{service}: {many} migrations applied"),
        });
    }
    Ok(())
}
