//! Forgets what is older than the options say, once a day, in small batches.

use std::time::Duration;

use kernel::{Result, Time};
use uuid::Uuid;

use crate::Shared;
use crate::store::{answers, records, timeline};

/// How often.
const EVERY: Duration = Duration::from_secs(86_400);
/// Records looked at in one statement.
const BATCH: u64 = 200;

/// Forgets; says when to do so again.
pub(super) async fn run(shared: &Shared) -> Result<Option<Time>> {
    let now = shared.clock.now();
    let unit = shared.db.begin().await?;
    answers::forget(unit.db(), now.minus(shared.knobs.idempotency_retention)).await?;
    unit.commit().await?;
    forget_events(shared, now.minus(shared.knobs.timeline_retention)).await?;
    Ok(Some(now.plus(EVERY)))
}

/// The timeline is ordered by record, so it is walked along the records.
async fn forget_events(shared: &Shared, before: Time) -> Result<()> {
    let mut after = None;
    loop {
        let keys = records::keys_after(shared.db.read(), after.as_ref(), BATCH).await?;
        let Some(last) = keys.last().cloned() else { return Ok(()) };
        for tenant in keys.chunk_by(|a, b| a.0 == b.0) {
            let Some((workspace, _)) = tenant.first() else { continue };
            let ids: Vec<Uuid> = tenant.iter().map(|(_, id)| *id).collect();
            if timeline::any_before(shared.db.read(), workspace, &ids, before).await? {
                let unit = shared.db.begin().await?;
                timeline::forget(unit.db(), workspace, &ids, before).await?;
                unit.commit().await?;
            }
        }
        after = Some(last);
    }
}
