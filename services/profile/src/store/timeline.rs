//! What happened to records, append-only.

use kernel::{Result, Time, Workspace};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, Order};
use sea_orm::{IntoActiveModel, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use store::StoreResult as _;
use store::bulk::{self, Clash};
use uuid::Uuid;

use super::CHUNK;
use super::row::timeline::{Column, Entity, Model};

/// Adds rows; those that are there already stay.
pub(crate) async fn append(db: &impl ConnectionTrait, mut rows: Vec<Model>) -> Result<()> {
    // In the order of the key: neighbours share pages.
    rows.sort_unstable_by_key(|row| (row.record_id, row.time, row.arrival));
    bulk::insert(db, rows.into_iter().map(IntoActiveModel::into_active_model), Clash::Keep).await
}

/// What to show of a timeline.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    /// Only these names; empty: all.
    pub(crate) names: &'a [String],
    /// Not before.
    pub(crate) from: Option<Time>,
    /// Before.
    pub(crate) to: Option<Time>,
    /// Only what comes after this (time, arrival), newest first.
    pub(crate) after: Option<(i64, i64)>,
    /// So many.
    pub(crate) limit: u64,
}

/// Events of these records, newest first; of one moment, the last to arrive first.
pub(crate) async fn newest(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[Uuid],
    selection: &Selection<'_>,
) -> Result<Vec<Model>> {
    let mut filter = Condition::all()
        .add(Column::Workspace.eq(workspace.as_str()))
        .add_option(selection.from.map(|from| Column::Time.gte(from.0)))
        .add_option(selection.to.map(|to| Column::Time.lt(to.0)));
    if !selection.names.is_empty() {
        filter = filter.add(Column::Name.is_in(selection.names.iter().map(String::as_str)));
    }
    if let Some((time, arrival)) = selection.after {
        let later = Condition::any().add(Column::Time.lt(time)).add(Column::Arrival.lt(arrival));
        filter = filter.add(Column::Time.lte(time)).add(later);
    }
    let mut rows = Vec::new();
    for chunk in records.chunks(CHUNK) {
        let query = Entity::find()
            .filter(filter.clone())
            .filter(Column::RecordId.is_in(chunk.iter().copied()))
            .order_by(Column::Time, Order::Desc)
            .order_by(Column::Arrival, Order::Desc);
        rows.extend(query.limit(selection.limit).all(db).await.db()?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.time, row.arrival)));
    rows.truncate(usize::try_from(selection.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

/// Whether any of these records has events before `time`.
pub(crate) async fn any_before(
    db: &impl ConnectionTrait,
    workspace: &str,
    records: &[Uuid],
    time: Time,
) -> Result<bool> {
    let query = Entity::find().select_only().column(Column::Time).filter(before(workspace, records, time));
    let found: Option<i64> = query.limit(1).into_tuple().one(db).await.db()?;
    Ok(found.is_some())
}

/// Removes the events of these records before `time`.
pub(crate) async fn forget(
    db: &impl ConnectionTrait,
    workspace: &str,
    records: &[Uuid],
    time: Time,
) -> Result<()> {
    Entity::delete_many().filter(before(workspace, records, time)).exec(db).await.db()?;
    Ok(())
}

fn before(workspace: &str, records: &[Uuid], time: Time) -> Condition {
    Condition::all()
        .add(Column::Workspace.eq(workspace))
        .add(Column::RecordId.is_in(records.iter().copied()))
        .add(Column::Time.lt(time.0))
}
