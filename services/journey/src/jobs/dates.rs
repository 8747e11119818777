//! Days of the year: planning when customers enter by them, and letting them enter.

mod backfill;
mod due;

use std::collections::{BTreeSet, HashMap};

use kernel::{Result, Time, Workspace};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::Shared;
use crate::domain::calendar::{next_anniversary, read_anniversary};
use crate::domain::entry::Anniversary;
use crate::registry::Index;
use crate::store::dates;

/// One stretch of work; says when the next is due.
///
/// # Errors
/// What the database or another service says.
pub(crate) async fn work(shared: &Shared) -> Result<Option<Time>> {
    // Whose day has come does not wait for profiles that are still to be read.
    if due::enter(shared).await? || backfill::page(shared).await? {
        return Ok(Some(shared.cx.clock.now()));
    }
    dates::next_due(shared.cx.db.read()).await
}

/// Plans anew when these customers enter by dates.
pub(crate) async fn plan(
    shared: &Shared,
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    index: &Index,
    customers: &BTreeSet<Uuid>,
) -> Result<()> {
    let mut best: HashMap<(Uuid, String), dates::Statement> = HashMap::new();
    for statement in dates::of_customers(db, workspace, customers).await? {
        let key = (statement.customer_id, statement.attribute.clone());
        match best.get(&key) {
            Some(other) if !dates::stated(&statement).beats(&dates::stated(other)) => {}
            _ => drop(best.insert(key, statement)),
        }
    }
    let kept: HashMap<(String, Uuid), dates::Occurrence> = dates::planned(db, workspace, customers)
        .await?
        .into_iter()
        .map(|row| ((row.journey.clone(), row.customer_id), row))
        .collect();
    let mut rows = Vec::new();
    for (journey, _, date) in index.dated() {
        for customer in customers {
            let Some(statement) = best.get(&(*customer, date.attribute.clone())) else { continue };
            let Some(value) = statement.value.as_deref().map(|text| plan_of(text, date)) else { continue };
            let key = (journey.to_owned(), *customer);
            // What is planned already stays: it may be due at this very moment.
            let planned = kept.get(&key).filter(|row| row.value == value).map(|row| Time(row.due_at));
            let Some(due) = planned.or_else(|| next(shared, workspace, date, &value)) else { continue };
            rows.push(dates::Occurrence {
                workspace: workspace.to_string(),
                journey: key.0,
                customer_id: *customer,
                record_id: statement.record_id,
                value,
                due_at: due.0,
            });
        }
    }
    dates::plan(db, workspace, customers, rows).await
}

/// All that decides about the day: when it is the same, so is the plan.
fn plan_of(text: &str, date: &Anniversary) -> String {
    format!("{text} {:+} {}", date.offset_days, date.at)
}

/// The next time for somebody with this plan.
fn next(shared: &Shared, workspace: &Workspace, date: &Anniversary, plan: &str) -> Option<Time> {
    let day = read_anniversary(plan.split(' ').next()?)?;
    let zone = shared.cx.workspaces.zone(workspace);
    next_anniversary(day, date.offset_days, date.at, shared.cx.clock.now(), zone)
}
