//! The members of a deleted segment are told that they left it, in batches; what is left to tell is in the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::{Result, Time, Workspace};

use crate::domain::definition::Kind;
use crate::engine::Engine;
use crate::store::members;
use crate::store::row::removal;
use crate::work::{Why, Work};

/// Tells everybody.
pub(crate) async fn run(engine: Arc<Engine>) -> Result<Option<Time>> {
    for removal in members::removals(engine.cx.db.read()).await? {
        while batch(&engine, &removal).await? {}
    }
    Ok(None)
}

async fn batch(engine: &Engine, removal: &removal::Model) -> Result<bool> {
    let workspace = Workspace::new(removal.workspace.as_str());
    let part = u32::try_from(removal.part).unwrap_or(u32::MAX);
    let mut unit = engine.cx.db.begin().await?;
    let mut work = Work::open(engine, unit.db(), &workspace).await?;
    let customers = members::list(unit.db(), &workspace, part, (None, engine.config.evaluate_batch)).await?;
    if customers.is_empty() {
        members::removed(unit.db(), removal).await?;
        members::drop_sizes(unit.db(), &workspace, vec![part]).await?;
        unit.commit().await?;
        return Ok(false);
    }
    work.load(unit.db(), &BTreeSet::new(), &customers.iter().copied().collect()).await?;
    let kind = Kind::parse(&removal.kind).unwrap_or(Kind::Dynamic);
    for customer in customers {
        work.leave_deleted(customer, part, (kind, &removal.key, &removal.name), &Why::definition("deleted"));
    }
    work.flush(&mut unit).await?;
    unit.commit().await?;
    Ok(true)
}
