//! Compacts until nothing is left to compact; rung when there are new segments.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Result, Time};
use store::{Database, Held};

use crate::current::Current;
use crate::engine::Engine;
use crate::reader::blocking;
use crate::store as register;

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Under the lease under which the engine was opened, and no later one: its segments may be compacted already by then.
pub(crate) async fn run(current: Current, db: Database) -> Result<Option<Time>> {
    let Some((opened, held)) = current.held() else { return Ok(None) };
    held.scope(compact(&opened.engine, &db)).await?;
    Ok(None)
}

async fn compact(engine: &Arc<Engine>, db: &Database) -> Result<()> {
    while let Some(plan) = engine.plan_compaction() {
        let compacted = blocking(engine, move |engine| engine.compact(&plan)).await?;
        // The same until it is in, as with a flush: these segments must not be registered within two others.
        while let Err(error) = register::register_compacted(db, &compacted).await {
            if Held::is_lost(&error) {
                return Err(error);
            }
            tracing::warn!(error = %chassis::status::chain(&error), "a compacted segment could not be registered; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        engine.install_compacted(&compacted);
    }
    Ok(())
}
