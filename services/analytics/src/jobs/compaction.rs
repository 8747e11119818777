//! Compacts until nothing is left to compact; rung after each flush.

use std::sync::Arc;

use kernel::{Result, Time};
use store::Database;

use crate::engine::Engine;
use crate::reader::blocking;
use crate::store as register;

pub(crate) async fn run(engine: Arc<Engine>, db: Database) -> Result<Option<Time>> {
    while let Some(plan) = engine.plan_compaction() {
        let compacted = blocking(&engine, move |engine| engine.compact(&plan)).await?;
        if let Err(error) = register::register_compacted(&db, &compacted).await {
            // A commit that failed may have been made all the same; the file of one that was not goes at the next start.
            if !register::is_registered(&db, &compacted.added).await? {
                return Err(error);
            }
        }
        blocking(&engine, move |engine| engine.install_compacted(&compacted)).await?;
    }
    Ok(None)
}
