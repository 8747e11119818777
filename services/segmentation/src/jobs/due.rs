//! Time alone changes memberships: customers whose moment has come are evaluated as of that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel::{Result, Time, Workspace};
use uuid::Uuid;

use crate::engine::Engine;
use crate::store::people;
use crate::work::Work;

/// Does what is due and says when the next is.
pub(crate) async fn run(engine: Arc<Engine>) -> Result<Option<Time>> {
    while batch(&engine).await? {}
    people::next_due(engine.cx.db.read()).await
}

async fn batch(engine: &Engine) -> Result<bool> {
    let now = engine.cx.clock.now();
    let found = people::due(engine.cx.db.read(), now, engine.config.evaluate_batch).await?;
    if found.is_empty() {
        return Ok(false);
    }
    let mut by_workspace: BTreeMap<Workspace, BTreeSet<Uuid>> = BTreeMap::new();
    for (workspace, customer) in found {
        by_workspace.entry(workspace).or_default().insert(customer);
    }
    let mut unit = engine.cx.db.begin().await?;
    for (workspace, customers) in by_workspace {
        let mut work = Work::open(engine, unit.db(), &workspace).await?;
        work.load(unit.db(), &BTreeSet::new(), &customers).await?;
        for customer in customers {
            work.catch_up(customer);
            work.expire(customer);
        }
        work.flush(&mut unit).await?;
    }
    unit.commit().await?;
    Ok(true)
}
