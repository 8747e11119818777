//! What records say about dates, and when customers enter by them the next time.

use std::collections::{BTreeSet, HashMap};

use kernel::survivorship::Stated;
use kernel::{Result, Time, Workspace};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use store::StoreResult as _;
use uuid::Uuid;

use crate::store::CHUNK;
use crate::store::row::{occurrence, statement};

pub(crate) use occurrence::Model as Occurrence;
pub(crate) use statement::Model as Statement;

/// As survivorship compares it.
pub(crate) fn stated(row: &Statement) -> Stated<&str> {
    Stated {
        value: row.value.as_deref(),
        time: Time(row.time),
        priority: row.priority,
        by: row.said_by.clone(),
    }
}

/// Takes statements in: of each record and attribute the one stays that beats the others.
pub(crate) async fn state(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    given: Vec<Statement>,
) -> Result<()> {
    use statement::Column as C;
    let records: BTreeSet<Uuid> = given.iter().map(|s| s.record_id).collect();
    let kept = of(db, workspace, C::RecordId, &records).await?;
    let mut best: HashMap<(String, Uuid), Statement> =
        kept.into_iter().map(|s| ((s.attribute.clone(), s.record_id), s)).collect();
    let mut changed = BTreeSet::new();
    for statement in given {
        let key = (statement.attribute.clone(), statement.record_id);
        if best.get(&key).is_none_or(|kept| stated(&statement).beats(&stated(kept))) {
            changed.insert(key.clone());
            best.insert(key, statement);
        }
    }
    let rows: Vec<_> = changed.iter().filter_map(|key| best.remove(key)).collect();
    let replace = OnConflict::columns([C::Workspace, C::Attribute, C::RecordId])
        .update_columns([C::CustomerId, C::Value, C::Time, C::Priority, C::SaidBy])
        .to_owned();
    for chunk in rows.chunks(CHUNK) {
        statement::Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .on_conflict(replace.clone())
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// What the records of these customers say.
pub(crate) async fn of_customers(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &BTreeSet<Uuid>,
) -> Result<Vec<Statement>> {
    of(db, workspace, statement::Column::CustomerId, customers).await
}

async fn of(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    column: statement::Column,
    ids: &BTreeSet<Uuid>,
) -> Result<Vec<Statement>> {
    let mut found = Vec::new();
    for chunk in ids.iter().copied().collect::<Vec<_>>().chunks(CHUNK) {
        let query = statement::Entity::find()
            .filter(statement::Column::Workspace.eq(workspace.as_str()))
            .filter(column.is_in(chunk.iter().copied()));
        found.extend(query.all(db).await.db()?);
    }
    Ok(found)
}

/// Gives the statements of records to their owner.
pub(crate) async fn move_records(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[Uuid],
    owner: Uuid,
) -> Result<()> {
    for chunk in records.chunks(CHUNK) {
        statement::Entity::update_many()
            .col_expr(statement::Column::CustomerId, Expr::value(owner))
            .filter(statement::Column::Workspace.eq(workspace.as_str()))
            .filter(statement::Column::RecordId.is_in(chunk.iter().copied()))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

/// The occurrences of these customers.
pub(crate) async fn planned(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &BTreeSet<Uuid>,
) -> Result<Vec<Occurrence>> {
    let mut found = Vec::new();
    for chunk in customers.iter().copied().collect::<Vec<_>>().chunks(CHUNK) {
        let query = occurrence::Entity::find()
            .filter(occurrence::Column::Workspace.eq(workspace.as_str()))
            .filter(occurrence::Column::CustomerId.is_in(chunk.iter().copied()));
        found.extend(query.all(db).await.db()?);
    }
    Ok(found)
}

/// Replaces the occurrences of these customers.
pub(crate) async fn plan(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &BTreeSet<Uuid>,
    rows: Vec<Occurrence>,
) -> Result<()> {
    for chunk in customers.iter().copied().collect::<Vec<_>>().chunks(CHUNK) {
        occurrence::Entity::delete_many()
            .filter(occurrence::Column::Workspace.eq(workspace.as_str()))
            .filter(occurrence::Column::CustomerId.is_in(chunk.iter().copied()))
            .exec(db)
            .await
            .db()?;
    }
    for chunk in rows.chunks(CHUNK) {
        occurrence::Entity::insert_many(chunk.iter().cloned().map(IntoActiveModel::into_active_model))
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Moves an occurrence, or removes it.
pub(crate) async fn replan(db: &impl ConnectionTrait, row: &Occurrence, next: Option<Time>) -> Result<()> {
    let key = (row.workspace.clone(), row.journey.clone(), row.customer_id);
    match next {
        Some(next) => {
            let moved =
                occurrence::ActiveModel { due_at: sea_orm::Set(next.0), ..row.clone().into_active_model() };
            occurrence::Entity::update(moved).exec(db).await.db().map(drop)
        }
        None => occurrence::Entity::delete_by_id(key).exec(db).await.db().map(drop),
    }
}

/// Occurrences that are due.
pub(crate) async fn due(db: &impl ConnectionTrait, now: Time, limit: u64) -> Result<Vec<Occurrence>> {
    occurrence::Entity::find()
        .filter(occurrence::Column::DueAt.lte(now.0))
        .order_by_asc(occurrence::Column::DueAt)
        .limit(limit)
        .all(db)
        .await
        .db()
}

/// When the next one is due.
pub(crate) async fn next_due(db: &impl ConnectionTrait) -> Result<Option<Time>> {
    let next: Option<Option<i64>> = occurrence::Entity::find()
        .select_only()
        .column_as(occurrence::Column::DueAt.min(), "next")
        .into_tuple()
        .one(db)
        .await
        .db()?;
    Ok(next.flatten().map(Time))
}

/// Removes the occurrences of a journey.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, journey: &str) -> Result<()> {
    occurrence::Entity::delete_many()
        .filter(occurrence::Column::Workspace.eq(workspace.as_str()))
        .filter(occurrence::Column::Journey.eq(journey))
        .exec(db)
        .await
        .db()
        .map(drop)
}
