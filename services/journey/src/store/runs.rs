//! Runs and their histories.

mod convert;
mod page;
mod sweep;

use std::collections::HashMap;

use kernel::{Result, Time, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use store::StoreResult as _;
use uuid::Uuid;

pub(crate) use convert::{new, put, remains, state, trigger};
pub(crate) use page::{Filter, list, parse_place, place};
pub(crate) use sweep::{Pace, any_live, delete, move_records, pace};

use crate::domain::entry::Past;
use crate::store::CHUNK;
use crate::store::row::{run, step};

pub(crate) use run::Model as Run;
pub(crate) use step::Model as Step;

/// The states, as kept.
pub(crate) const ENTERING: &str = "entering";
pub(crate) const READY: &str = "ready";
pub(crate) const WAITING: &str = "waiting";
pub(crate) const EXITED: &str = "exited";

/// Runs that are due, the longest due first.
pub(crate) async fn due(db: &impl ConnectionTrait, now: Time, limit: u64) -> Result<Vec<Run>> {
    run::Entity::find()
        .filter(run::Column::DueAt.lte(now.0))
        .order_by_asc(run::Column::DueAt)
        .limit(limit)
        .all(db)
        .await
        .db()
}

/// When the next one is due.
pub(crate) async fn next_due(db: &impl ConnectionTrait) -> Result<Option<Time>> {
    let next: Option<Option<i64>> = run::Entity::find()
        .select_only()
        .column_as(run::Column::DueAt.min(), "next")
        .into_tuple()
        .one(db)
        .await
        .db()?;
    Ok(next.flatten().map(Time))
}

/// One run.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    run_id: Uuid,
) -> Result<Option<Run>> {
    run::Entity::find_by_id((workspace.to_string(), run_id)).one(db).await.db()
}

/// A run's history, in order.
pub(crate) async fn history(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    run_id: Uuid,
) -> Result<Vec<Step>> {
    step::Entity::find()
        .filter(step::Column::Workspace.eq(workspace.as_str()))
        .filter(step::Column::RunId.eq(run_id))
        .order_by_asc(step::Column::Visit)
        .all(db)
        .await
        .db()
}

/// Runs of these customers that want to hear one of these events, or are at work and hold what comes.
pub(crate) async fn listening(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &[Uuid],
    names: &[&str],
) -> Result<Vec<Run>> {
    let mut found = Vec::new();
    for chunk in customers.chunks(CHUNK) {
        let query = run::Entity::find()
            .filter(run::Column::Workspace.eq(workspace.as_str()))
            .filter(run::Column::CustomerId.is_in(chunk.iter().copied()))
            .filter(run::Column::WaitsFor.is_in(names.iter().copied().chain([convert::EVERYTHING])))
            .lock_exclusive();
        found.extend(query.all(db).await.db()?);
    }
    Ok(found)
}

/// Takes in triggered runs; those that are known already stay as they are.
pub(crate) async fn insert(db: &impl ConnectionTrait, rows: Vec<Run>) -> Result<()> {
    let known = OnConflict::columns([run::Column::Workspace, run::Column::RunId]).do_nothing().to_owned();
    // 22 columns each; both databases take 32,766 values in one statement.
    for chunk in rows.chunks(CHUNK) {
        run::Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(known.clone())
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Writes changed runs back, each with its revision one higher.
pub(crate) async fn save(db: &impl ConnectionTrait, rows: &[Run]) -> Result<()> {
    use run::Column as C;
    let replace = OnConflict::columns([C::Workspace, C::RunId])
        .update_columns([
            C::State,
            C::Stage,
            C::Node,
            C::Visit,
            C::Hops,
            C::WakesAt,
            C::DueAt,
            C::WaitsFor,
            C::Matched,
            C::Held,
            C::Attempts,
            C::Revision,
            C::EnteredAt,
            C::ExitedAt,
            C::Reason,
        ])
        .to_owned();
    for chunk in rows.chunks(CHUNK) {
        let higher = |row: &Run| Run { revision: row.revision + 1, ..row.clone() }.into_active_model();
        run::Entity::insert_many(chunk.iter().map(higher))
            .on_conflict(replace.clone())
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// The revisions that these runs have now, locked until the end of the transaction.
pub(crate) async fn revisions(
    db: &impl ConnectionTrait,
    workspace: &str,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, i64>> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let rows: Vec<(Uuid, i64)> = run::Entity::find()
            .select_only()
            .columns([run::Column::RunId, run::Column::Revision])
            .filter(run::Column::Workspace.eq(workspace))
            .filter(run::Column::RunId.is_in(chunk.iter().copied()))
            .lock_exclusive()
            .into_tuple()
            .all(db)
            .await
            .db()?;
        found.extend(rows);
    }
    Ok(found)
}

/// Adds lines to histories.
pub(crate) async fn note(db: &impl ConnectionTrait, steps: Vec<Step>) -> Result<()> {
    for chunk in steps.chunks(CHUNK) {
        step::Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Removes runs that were not let in.
pub(crate) async fn forget(db: &impl ConnectionTrait, workspace: &str, ids: &[Uuid]) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        run::Entity::delete_many()
            .filter(run::Column::Workspace.eq(workspace))
            .filter(run::Column::RunId.is_in(chunk.iter().copied()))
            .filter(run::Column::State.eq(ENTERING))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

/// What customers have been through in journeys, by customer and journey. Runs not yet let in do not count.
pub(crate) async fn past(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &[Uuid],
    journeys: &[String],
) -> Result<HashMap<(Uuid, String), Past>> {
    let mut found: HashMap<(Uuid, String), Past> = HashMap::new();
    for chunk in customers.chunks(CHUNK) {
        let rows: Vec<(Uuid, String, String, i64)> = run::Entity::find()
            .select_only()
            .columns([
                run::Column::CustomerId,
                run::Column::Journey,
                run::Column::State,
                run::Column::EnteredAt,
            ])
            .filter(run::Column::Workspace.eq(workspace.as_str()))
            .filter(run::Column::CustomerId.is_in(chunk.iter().copied()))
            .filter(run::Column::Journey.is_in(journeys.iter().map(String::as_str)))
            .filter(run::Column::State.ne(ENTERING))
            .into_tuple()
            .all(db)
            .await
            .db()?;
        for (customer, journey, state, entered_at) in rows {
            let past = found.entry((customer, journey)).or_default();
            past.any = true;
            past.active |= state != EXITED;
            past.last = past.last.max(Some(Time(entered_at)));
        }
    }
    Ok(found)
}
