//! Keeps what a round has done: states, histories, counters, facts, in one transaction.

use std::collections::{BTreeMap, HashMap};

use chassis::fact::{self, Cause};
use kernel::{CustomerId, Kind, RecordId, Result, Time};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use store::Unit;
use uuid::Uuid;

use crate::Shared;
use crate::domain::run::cause_id;
use crate::domain::{Action, Stage};
use crate::jobs::executor::{Fate, Work};
use crate::store::runs;
use crate::store::tallies::{Counted, Tallies};

/// What a unit of work writes about runs.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<runs::Run>,
    steps: Vec<runs::Step>,
    tallies: Tallies,
}

/// Keeps the batch. Runs that somebody else has changed since they were claimed are left to the next round.
pub(crate) async fn commit(shared: &Shared, batch: Vec<Work>, now: Time) -> Result<()> {
    let mut unit = shared.cx.db.begin().await?;
    let mut ids: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for work in &batch {
        ids.entry(&work.row.workspace).or_default().push(work.row.run_id);
    }
    let mut revisions = HashMap::new();
    for (workspace, ids) in ids {
        revisions.extend(runs::revisions(unit.db(), workspace, &ids).await?);
    }
    let mut ledger = Ledger::default();
    for mut work in batch {
        if revisions.get(&work.row.run_id) != Some(&work.row.revision) {
            continue;
        }
        match work.fate {
            Fate::Deferred => {}
            Fate::Refused => runs::forget(unit.db(), &work.row.workspace, &[work.row.run_id]).await?,
            Fate::Kept | Fate::Retried => {
                let at = if work.fate == Fate::Retried {
                    work.row.attempts += 1;
                    now.plus(shared.knobs.back_off(work.row.attempts - 1))
                } else {
                    work.row.attempts = 0;
                    now
                };
                if !ledger.take(shared, &mut unit, &mut work, at)? {
                    runs::forget(unit.db(), &work.row.workspace, &[work.row.run_id]).await?;
                }
            }
        }
    }
    ledger.save(unit.db()).await?;
    unit.commit().await
}

impl Ledger {
    /// Takes a run in with what it did. `at` is when it goes on, if it is at work. Says whether it may be kept: a run
    /// at the end of a chain of causes that is a loop is not let in.
    pub(crate) fn take(
        &mut self,
        shared: &Shared,
        unit: &mut Unit,
        work: &mut Work,
        at: Time,
    ) -> Result<bool> {
        let now = shared.cx.clock.now();
        if work.row.state == runs::ENTERING && work.state.stage != Stage::Entering {
            match tell(shared, unit, work, "journey.entered", now, None) {
                Err(error) if error.kind == Kind::Precondition => {
                    tracing::warn!(journey = work.row.journey, %error, "nobody is let in by a loop");
                    return Ok(false);
                }
                other => other?,
            }
            self.count(work, Counted::Entered, "");
        }
        let mut visit = work.row.visit;
        for action in std::mem::take(&mut work.actions) {
            match action {
                Action::Arrived(node) => {
                    visit += 1;
                    self.count(work, Counted::Arrived, &node);
                }
                Action::Left { node, outcome, detail } => {
                    self.count(work, Counted::Left, &node);
                    self.steps.push(runs::Step {
                        workspace: work.row.workspace.clone(),
                        run_id: work.row.run_id,
                        visit,
                        journey: work.row.journey.clone(),
                        node,
                        time: now.0,
                        outcome: outcome.to_owned(),
                        detail,
                    });
                }
                Action::Exited(reason) => {
                    self.count(work, Counted::Exited, &reason);
                    tell(shared, unit, work, "journey.exited", now, Some(&reason))?;
                }
                Action::Ask(_) => {}
            }
        }
        let at = if work.state.is_live() { at } else { now };
        runs::put(&mut work.row, &work.state, at, work.paused);
        self.rows.push(work.row.clone());
        Ok(true)
    }

    fn count(&mut self, work: &Work, kind: Counted, name: &str) {
        self.tallies.add((&work.row.workspace, &work.row.journey, work.row.version), kind, name);
    }

    /// Writes it.
    pub(crate) async fn save(self, db: &impl ConnectionTrait) -> Result<()> {
        runs::save(db, &self.rows).await?;
        runs::note(db, self.steps).await?;
        self.tallies.save(db).await
    }
}

fn tell(
    shared: &Shared,
    unit: &mut Unit,
    work: &Work,
    name: &str,
    now: Time,
    reason: Option<&str>,
) -> Result<()> {
    let row = &work.row;
    let mut properties = Map::new();
    properties.insert("journey".to_owned(), row.journey.clone().into());
    properties.insert("version".to_owned(), row.version.into());
    properties.insert("run_id".to_owned(), row.run_id.to_string().into());
    properties.extend(reason.map(|reason| ("reason".to_owned(), Value::from(reason))));
    let cause = Cause { id: cause_id(&work.trigger).to_owned(), ..Cause::of(&work.trigger) };
    let subject = (CustomerId(row.customer_id), RecordId(row.record_id));
    unit.publish(&work.workspace, &fact::new(&shared.cx.ids, name, subject, now, &cause, properties)?);
    Ok(())
}
