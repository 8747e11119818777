//! Filling series from history, so that every event counts exactly once whatever crashes.
//!
//! 1. *Begin*, in one transaction under the workspace's lock: note the series that states lack and, for every partition
//!    of the log, the position p up to which this service has applied it. From this transaction on the consumer takes
//!    each event (all at or behind p) into the record's state as ever and, for the noted series, also into `fresh` of
//!    the record's row of `history`.
//! 2. *Scan*: analytics gives the events before p. Their states are gathered in `past` of the same rows. Neither column
//!    is read by any evaluation. When this breaks off (a crash, analytics is away), the next attempt begins at 1 with an
//!    empty table and a later p: nothing of the broken attempt is left that could count twice.
//! 3. *Merge*, record by record in the order of ids: the noted series of the record's state are forgotten and `past` and
//!    `fresh` take their place. `merged_to`, written in the same transaction, says up to which record that is done;
//!    behind it nothing goes into `fresh` any more and the state alone counts. So a crash resumes exactly where it was.
//!    Forgetting first makes it right for a series that the states hold in part: one whose window grew, or one that a
//!    definition brought into the plan before p was noted.
//! 4. *End*: the series are covered; the definitions that needed nothing else are evaluated.
//!
//! A series that leaves the plan on the way is taken off the note (`fresh` has a gap then) and begins anew later.

use std::collections::{BTreeSet, HashMap};

use bus::Stream;
use chassis::Caller;
use kernel::{Result, Workspace};
use rules::State;
use sea_orm::ConnectionTrait;
use store::position::Position;
use uuid::Uuid;

use crate::engine::Engine;
use crate::history::{self, Scan};
use crate::store::filling::{self, Filling};
use crate::store::{definitions, people};
use crate::work::Work;

/// Records in one transaction.
const RECORDS: u64 = 500;

/// Fills everything that the plan lacks. `false`: there was nothing to fill.
pub(crate) async fn run(engine: &Engine, workspace: &Workspace) -> Result<bool> {
    let unfinished = filling::load(engine.cx.db.read(), workspace).await?.filter(|filling| filling.merging);
    if unfinished.is_none() {
        let Some(filling) = begin(engine, workspace).await? else { return Ok(false) };
        scan(engine, workspace, &filling).await?;
    }
    while merge(engine, workspace).await? {}
    Ok(true)
}

async fn begin(engine: &Engine, workspace: &Workspace) -> Result<Option<Filling>> {
    let unit = engine.cx.db.begin().await?;
    let work = Work::open(engine, unit.db(), workspace).await?;
    let lacking = work.catalogue.lacking(&work.catalogue.plan);
    filling::clear(unit.db(), workspace).await?;
    if lacking.is_empty() {
        unit.commit().await?;
        return Ok(None);
    }
    let filling = Filling {
        run: i64::from_le_bytes(engine.cx.ids.next().as_u64_pair().1.to_le_bytes()),
        merging: false,
        series: lacking,
        positions: positions(engine, unit.db()).await?,
        merged_to: None,
    };
    filling::save(unit.db(), workspace, &filling).await?;
    unit.commit().await?;
    Ok(Some(filling))
}

/// Up to where the log is applied, by partition.
pub(crate) async fn positions(engine: &Engine, db: &impl ConnectionTrait) -> Result<Vec<u64>> {
    let mut positions = Vec::new();
    for partition in 0..engine.cx.log.partitions() {
        positions.push(Position::load(db, Stream::Events, partition).await?.next);
    }
    Ok(positions)
}

async fn scan(engine: &Engine, workspace: &Workspace, filling: &Filling) -> Result<()> {
    let caller = Caller::system(workspace.clone(), "segmentation");
    let ask = history::request(&filling.series, engine.cx.clock.now(), &filling.positions);
    let plan = engine
        .committed(workspace)
        .await?
        .plan
        .only(&filling.series.iter().map(|series| series.id).collect());
    let mut scan = Scan::open(engine, &caller, plan, ask).await?;
    loop {
        let states = scan.next(engine.config.scan_records).await?;
        if states.is_empty() {
            break;
        }
        keep(engine, workspace, filling, states).await?;
    }
    let unit = engine.cx.db.begin().await?;
    definitions::lock(unit.db(), workspace).await?;
    if let Some(now) = filling::load(unit.db(), workspace).await?.filter(|now| now.run == filling.run) {
        filling::save(unit.db(), workspace, &Filling { merging: true, ..now }).await?;
    }
    unit.commit().await
}

/// Adds states to what is kept aside.
async fn keep(
    engine: &Engine,
    workspace: &Workspace,
    filling: &Filling,
    states: HashMap<Uuid, State>,
) -> Result<()> {
    let mut states: Vec<(Uuid, State)> = states.into_iter().collect();
    states.sort_unstable_by_key(|(record, _)| *record);
    while !states.is_empty() {
        let rest = states.split_off(states.len().min(usize::try_from(RECORDS).unwrap_or(usize::MAX)));
        let unit = engine.cx.db.begin().await?;
        definitions::lock(unit.db(), workspace).await?;
        let records: Vec<Uuid> = states.iter().map(|(record, _)| *record).collect();
        let mut aside = filling::aside(unit.db(), workspace, &records).await?;
        for (record, state) in states {
            aside.entry(record).or_default().past.merge(state);
        }
        // Another replica may have begun anew: what this attempt read is of no use then.
        if filling::load(unit.db(), workspace).await?.is_some_and(|now| now.run == filling.run) {
            filling::save_aside(unit.db(), workspace, aside.iter()).await?;
        }
        unit.commit().await?;
        states = rest;
    }
    Ok(())
}

/// Merges the next records; at the end, the series count as covered.
async fn merge(engine: &Engine, workspace: &Workspace) -> Result<bool> {
    let unit = engine.cx.db.begin().await?;
    let work = Work::open(engine, unit.db(), workspace).await?;
    let Some(mut filling) = filling::load(unit.db(), workspace).await?.filter(|filling| filling.merging)
    else {
        return Ok(false);
    };
    let next = filling::next(unit.db(), workspace, filling.merged_to, RECORDS).await?;
    if next.is_empty() {
        finish(engine, &work, unit.db(), &filling).await?;
        unit.commit().await?;
        return Ok(false);
    }
    let series: BTreeSet<u64> = filling.series.iter().map(|series| series.id).collect();
    let ids: Vec<Uuid> = next.keys().copied().collect();
    let mut records: HashMap<_, _> = people::records(unit.db(), workspace, &ids).await?.into_iter().collect();
    for (id, aside) in next {
        // A record that analytics knows and we do not: it was erased.
        let Some(record) = records.get_mut(&id) else { continue };
        series.iter().for_each(|series| record.state.forget(*series));
        record.state.merge(aside.past);
        record.state.merge(aside.fresh);
        work.catalogue.plan.prune(&mut record.state);
        work.catalogue.plan.expire(&mut record.state, work.now);
    }
    people::save_records(unit.db(), workspace, records.iter()).await?;
    filling.merged_to = ids.last().copied();
    filling::save(unit.db(), workspace, &filling).await?;
    unit.commit().await?;
    Ok(true)
}

async fn finish(engine: &Engine, work: &Work, db: &impl ConnectionTrait, filling: &Filling) -> Result<()> {
    let mut coverage = work.catalogue.coverage.clone();
    coverage.retain(|old| filling.series.iter().all(|new| new.id != old.id));
    coverage.extend(filling.series.iter().cloned());
    definitions::save_coverage(db, &work.workspace, &coverage).await?;
    filling::clear(db, &work.workspace).await?;
    definitions::settle(db, &work.workspace, (&engine.cx.ids, work.next_id), &work.catalogue).await?;
    Ok(())
}
