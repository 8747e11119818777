//! Building definitions: fill what their conditions lack, put them into effect, evaluate every customer, go live.
//!
//! Every step is a transaction and can be repeated: evaluating a customer twice changes nothing the second time.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::{Result, Time, Workspace};

use crate::domain::definition::{Definition, Phase};
use crate::engine::Engine;
use crate::jobs::fill;
use crate::store::{definitions, members, people};
use crate::work::{Why, Work};

/// Builds what waits in all workspaces.
pub(crate) async fn run(engine: Arc<Engine>) -> Result<Option<Time>> {
    let mut again = None;
    for workspace in definitions::workspaces(engine.cx.db.read()).await? {
        if let Err(error) = build(&engine, &workspace).await {
            let chain = chassis::status::chain(&error);
            tracing::warn!(%workspace, error = %chain, "a definition could not be built yet; trying again");
            again = Some(engine.cx.clock.now().plus(engine.config.retry()?));
        }
    }
    Ok(again)
}

async fn build(engine: &Engine, workspace: &Workspace) -> Result<()> {
    loop {
        put_into_effect(engine, workspace).await?;
        let evaluated = evaluate(engine, workspace).await?;
        let waits = engine.committed(workspace).await?.definitions.iter().any(|d| d.phase == Phase::Waiting);
        if waits {
            fill::run(engine, workspace).await?;
        } else if !evaluated {
            return Ok(());
        }
    }
}

/// Conditions for which the states hold everything come into effect.
async fn put_into_effect(engine: &Engine, workspace: &Workspace) -> Result<()> {
    if engine.committed(workspace).await?.definitions.iter().all(|given| given.phase != Phase::Waiting) {
        return Ok(());
    }
    let unit = engine.cx.db.begin().await?;
    let mut work = Work::open(engine, unit.db(), workspace).await?;
    if members::everybody(unit.db(), workspace).await? == 0 {
        // Nobody has been seen: there is no history, and from here on everything counts.
        definitions::save_coverage(unit.db(), workspace, &work.catalogue.plan.series()).await?;
        let settled =
            definitions::settle(unit.db(), workspace, (&engine.cx.ids, work.next_id), &work.catalogue);
        work.catalogue = Arc::new(settled.await?);
    }
    let catalogue = work.catalogue.clone();
    let waiting = catalogue.definitions.iter().filter(|given| given.phase == Phase::Waiting);
    let ready: Vec<&Definition> =
        waiting.filter(|given| catalogue.covers(&catalogue.plan_of(given))).collect();
    for definition in &ready {
        let active = definition.latest.clone();
        let effective = Definition { active, phase: Phase::Evaluating, ..(*definition).clone() };
        definitions::save(unit.db(), workspace, &effective).await?;
    }
    if !ready.is_empty() {
        definitions::settle(unit.db(), workspace, (&engine.cx.ids, work.next_id), &catalogue).await?;
    }
    unit.commit().await
}

/// Evaluates every customer for the definitions that came into effect; says whether there were any.
async fn evaluate(engine: &Engine, workspace: &Workspace) -> Result<bool> {
    let catalogue = engine.committed(workspace).await?;
    let fresh = catalogue.definitions.iter().filter(|given| given.phase == Phase::Evaluating);
    let clauses: BTreeSet<(String, u32)> =
        fresh.flat_map(|given| given.latest.iter().map(|part| (given.key.clone(), part.clause))).collect();
    if clauses.is_empty() {
        return Ok(false);
    }
    let mut after = None;
    loop {
        let mut unit = engine.cx.db.begin().await?;
        let mut work = Work::open(engine, unit.db(), workspace).await?;
        let ours = |given: &Definition| {
            given.phase == Phase::Evaluating
                && given.latest.iter().all(|part| clauses.contains(&(given.key.clone(), part.clause)))
        };
        let page = people::page(unit.db(), workspace, after, engine.config.evaluate_batch).await?;
        let Some(last) = page.last().map(|(id, _)| *id) else {
            let built: Vec<&Definition> =
                work.catalogue.definitions.iter().filter(|given| ours(given)).collect();
            for definition in built {
                let live = Definition { phase: Phase::Live, ..definition.clone() };
                definitions::save(unit.db(), workspace, &live).await?;
            }
            definitions::settle(unit.db(), workspace, (&engine.cx.ids, work.next_id), &work.catalogue)
                .await?;
            unit.commit().await?;
            return Ok(true);
        };
        let targets: BTreeSet<usize> = work.targets(ours).collect();
        let customers: Vec<_> = page.iter().map(|(id, _)| *id).collect();
        work.adopt(unit.db(), page).await?;
        for customer in customers {
            work.catch_up(customer);
            work.evaluate(customer, work.now, targets.clone(), &Why::definition("backfill"));
        }
        work.flush(&mut unit).await?;
        unit.commit().await?;
        engine.alarms.due.ring();
        after = Some(last);
    }
}
