//! Tags on records.

use std::collections::BTreeMap;

use kernel::{Result, Time, Workspace};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, Order};
use sea_orm::{IntoActiveModel, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use store::bulk::{self, Clash};
use store::rows::by_keys;
use store::{Rows, StoreResult as _};
use uuid::Uuid;

use super::CHUNK;
use super::row::assignment::{Column, Entity, Model};
use super::row::record;

/// Those of these records.
pub(crate) async fn of_records(
    db: &impl Rows,
    workspace: &Workspace,
    records: &[Uuid],
) -> Result<Vec<Model>> {
    by_keys::<Entity, _>(db, (Column::Workspace, workspace), (Column::RecordId, records)).await
}

/// Those of a tag that are, or are not, of the source `rule`, or all.
pub(crate) async fn of_tag(
    db: &impl ConnectionTrait,
    workspace: &str,
    tag: &str,
    by_rule: Option<bool>,
) -> Result<Vec<Model>> {
    let query = Entity::find().filter(Column::Workspace.eq(workspace)).filter(Column::Tag.eq(tag));
    let query = match by_rule {
        Some(true) => query.filter(Column::Source.eq(crate::domain::tags::RULE)),
        Some(false) => query.filter(Column::Source.ne(crate::domain::tags::RULE)),
        None => query,
    };
    query.limit(CHUNK as u64).all(db).await.db()
}

/// Those that have expired, the oldest first; at most [`CHUNK`].
pub(crate) async fn expired(db: &impl ConnectionTrait, now: Time) -> Result<Vec<Model>> {
    Entity::find()
        .filter(Column::ExpiresAt.lte(now.0))
        .order_by(Column::ExpiresAt, Order::Asc)
        .limit(CHUNK as u64)
        .all(db)
        .await
        .db()
}

/// When the next one expires.
pub(crate) async fn next_expiry(db: &impl ConnectionTrait) -> Result<Option<Time>> {
    let query = Entity::find().select_only().column_as(Column::ExpiresAt.min(), "next");
    let next: Option<Option<i64>> = query.into_tuple().one(db).await.db()?;
    Ok(next.flatten().map(Time))
}

/// Writes assignments, new or not.
pub(crate) async fn save(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<()> {
    bulk::insert(db, rows.into_iter().map(IntoActiveModel::into_active_model), Clash::ReplaceAll).await
}

/// Removes assignments.
pub(crate) async fn remove(db: &impl ConnectionTrait, workspace: &Workspace, rows: &[Model]) -> Result<()> {
    let mut by_tag: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for row in rows {
        by_tag.entry(&row.tag).or_default().push(row.record_id);
    }
    for (tag, records) in by_tag {
        for chunk in records.chunks(CHUNK) {
            Entity::delete_many()
                .filter(Column::Workspace.eq(workspace.as_str()))
                .filter(Column::Tag.eq(tag))
                .filter(Column::RecordId.is_in(chunk.iter().copied()))
                .exec(db)
                .await
                .db()?;
        }
    }
    Ok(())
}

/// How many customers have each of these tags; those that nobody has are left out.
pub(crate) async fn customers(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    tags: &[&str],
) -> Result<BTreeMap<String, i64>> {
    let same_record = Expr::col((record::Entity, record::Column::Workspace))
        .equals((Entity, Column::Workspace))
        .and(Expr::col((record::Entity, record::Column::RecordId)).equals((Entity, Column::RecordId)));
    let query = Query::select()
        .column((Entity, Column::Tag))
        .expr_as(Expr::col((record::Entity, record::Column::CustomerId)).count_distinct(), "customers")
        .from(Entity)
        .inner_join(record::Entity, same_record)
        .and_where(Expr::col((Entity, Column::Workspace)).eq(workspace.as_str()))
        .and_where(Expr::col((Entity, Column::Tag)).is_in(tags.iter().copied()))
        .group_by_col((Entity, Column::Tag))
        .to_owned();
    let rows = db.query_all(&query).await.db()?;
    rows.iter().map(|row| Ok((row.try_get("", "tag").db()?, row.try_get("", "customers").db()?))).collect()
}
