//! Background work: refused events are not kept for ever.

use std::time::Duration;

use chassis::{Alarm, Context};
use kernel::Result;

use crate::config::{Config, duration};
use crate::store::failed_events;

/// Between two looks.
const DAY: Duration = Duration::from_secs(86_400);

/// Registers them.
///
/// # Errors
/// When the configuration is wrong.
pub(crate) fn start(config: &Config, cx: &Context) -> Result<()> {
    let keep = duration("failed_events.keep", &config.failed_events.keep)?;
    let max = config.failed_events.max;
    let (db, clock) = (cx.db.clone(), cx.clock.clone());
    cx.timed_job("failed events", Alarm::default(), move || {
        let (db, clock) = (db.clone(), clock.clone());
        async move {
            let now = clock.now();
            let workspaces = failed_events::workspaces(db.read()).await?;
            if !workspaces.is_empty() {
                let unit = db.begin().await?;
                failed_events::forget_before(unit.db(), now.minus(keep)).await?;
                for workspace in workspaces {
                    failed_events::trim(unit.db(), &workspace, max).await?;
                }
                unit.commit().await?;
            }
            Ok(Some(now.plus(DAY)))
        }
    });
    Ok(())
}
