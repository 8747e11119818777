//! Compacts until nothing is left to compact; rung after each flush.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Result, Time};
use store::Database;

use crate::engine::Engine;
use crate::reader::blocking;
use crate::store as register;

/// Pause after a passing failure.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(engine: Arc<Engine>, db: Database) -> Result<Option<Time>> {
    while let Some(plan) = engine.plan_compaction() {
        let compacted = blocking(&engine, move |engine| engine.compact(&plan)).await?;
        // The same until it is in, as with a flush: these segments must not be registered within two others.
        while let Err(error) = register::register_compacted(&db, &compacted).await {
            tracing::warn!(error = %chassis::status::chain(&error), "a compacted segment could not be registered; trying again");
            tokio::time::sleep(PAUSE).await;
        }
        engine.install_compacted(&compacted);
    }
    Ok(None)
}
