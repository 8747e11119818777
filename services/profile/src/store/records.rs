//! Records: owners, attributes, when they were seen.

use std::collections::{BTreeMap, HashMap};

use kernel::{Result, Workspace};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, ExprTrait as _, Order};
use sea_orm::{IntoActiveModel, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use store::bulk::{self, Bound, Clash};
use store::rows::Query;
use store::{Rows, StoreResult as _};
use uuid::Uuid;

use super::CHUNK;
use super::row::record::{Column, Entity, Model};

/// What rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// To show them.
    Reading,
    /// To change them in this unit of work: nobody else does until it ends.
    Writing,
}

/// Those of these ids that exist, ordered by id.
pub(crate) async fn by_ids(
    db: &impl Rows,
    workspace: &Workspace,
    ids: &[Uuid],
    purpose: For,
) -> Result<Vec<Model>> {
    select(db, workspace, (Column::RecordId, ids), purpose).await
}

/// All of these customers, ordered by id.
pub(crate) async fn by_customers(
    db: &impl Rows,
    workspace: &Workspace,
    customers: &[Uuid],
    purpose: For,
) -> Result<Vec<Model>> {
    select(db, workspace, (Column::CustomerId, customers), purpose).await
}

async fn select(
    db: &impl Rows,
    workspace: &Workspace,
    (column, values): (Column, &[Uuid]),
    purpose: For,
) -> Result<Vec<Model>> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut rows = Vec::with_capacity(sorted.len());
    for chunk in sorted.chunks(CHUNK) {
        let query = Query::<Entity>::on(db).text(" WHERE workspace = ").value(workspace.as_str());
        let query = query.text(" AND ").column(column).among(chunk).text(" ORDER BY record_id");
        let query = if purpose == For::Writing { query.locked() } else { query };
        rows.extend(db.rows(query).await?);
    }
    Ok(rows)
}

/// The next ones in the order of creation.
pub(crate) async fn page_by_creation(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>> {
    let query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    let query = match after {
        Some(after) => query.filter(Column::RecordId.gt(after)),
        None => query,
    };
    query.order_by(Column::RecordId, Order::Asc).limit(limit).all(db).await.db()
}

/// The next ones, last seen first.
pub(crate) async fn page_by_last_seen(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    after: Option<(i64, Uuid)>,
    limit: u64,
) -> Result<Vec<Model>> {
    let query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    let query = match after {
        Some((time, id)) => query
            .filter(Column::LastSeen.lte(time))
            .filter(Condition::any().add(Column::LastSeen.lt(time)).add(Column::RecordId.lt(id))),
        None => query,
    };
    let query = query.order_by(Column::LastSeen, Order::Desc).order_by(Column::RecordId, Order::Desc);
    query.limit(limit).all(db).await.db()
}

/// The next ones of every workspace, for jobs: keys only.
pub(crate) async fn keys_after(
    db: &impl ConnectionTrait,
    after: Option<&(String, Uuid)>,
    limit: u64,
) -> Result<Vec<(String, Uuid)>> {
    let query = Entity::find().select_only().column(Column::Workspace).column(Column::RecordId);
    let query = match after {
        Some((workspace, id)) => query.filter(Column::Workspace.gte(workspace.as_str())).filter(
            Condition::any().add(Column::Workspace.gt(workspace.as_str())).add(Column::RecordId.gt(*id)),
        ),
        None => query,
    };
    let query = query.order_by(Column::Workspace, Order::Asc).order_by(Column::RecordId, Order::Asc);
    query.limit(limit).into_tuple().all(db).await.db()
}

/// Writes whole rows, new or not.
pub(crate) async fn save(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<()> {
    write(db, rows, Clash::ReplaceAll).await
}

/// Adds rows that are new; of the others, widens the time from when to when they were seen, without reading them.
pub(crate) async fn see(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<()> {
    let seen = [(Column::FirstSeen, Bound::Least), (Column::LastSeen, Bound::Greatest)];
    write(db, rows, Clash::Bound(&seen)).await
}

async fn write(db: &impl ConnectionTrait, mut rows: Vec<Model>, clash: Clash<'_, Column>) -> Result<()> {
    // In the order of the key: neighbours share pages.
    rows.sort_unstable_by_key(|row| row.record_id);
    bulk::insert(db, rows.into_iter().map(IntoActiveModel::into_active_model), clash).await
}

/// Notes visible changes: one for each mention of a record.
pub(crate) async fn bump(db: &impl ConnectionTrait, workspace: &Workspace, changed: &[Uuid]) -> Result<()> {
    let mut times: HashMap<Uuid, i64> = HashMap::new();
    for id in changed {
        *times.entry(*id).or_default() += 1;
    }
    let mut alike: BTreeMap<i64, Vec<Uuid>> = BTreeMap::new();
    for (id, times) in times {
        alike.entry(times).or_default().push(id);
    }
    for (times, ids) in alike {
        for chunk in ids.chunks(CHUNK) {
            Entity::update_many()
                .col_expr(Column::Version, Expr::col(Column::Version).add(times))
                .filter(Column::Workspace.eq(workspace.as_str()))
                .filter(Column::RecordId.is_in(chunk.iter().copied()))
                .exec(db)
                .await
                .db()?;
        }
    }
    Ok(())
}
