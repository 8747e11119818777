//! `guanxi migrate`: an operator's step before new processes are rolled out.

use kernel::Result;

use crate::cli::Serve;
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
    for (service, applied) in assembly.migrate().await? {
        ui::say(match applied {
            0 => format!("{service}: up to date"),
            1 => format!("{service}: 1 migration applied"),
            many => format!("{service}: {many} migrations applied"),
        });
    }
    Ok(())
}
