//! Definitions of tags.

use std::collections::BTreeMap;

use kernel::{Result, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, Order};
use sea_orm::{QueryFilter as _, QueryOrder as _, QuerySelect as _};
use store::rows::Query;
use store::{Rows, StoreResult as _};

use super::row::tag::{Column, Entity, Model};

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, Model>;

/// A definition, whatever its state.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<Option<Model>> {
    Entity::find_by_id((workspace.to_string(), key.to_owned())).one(db).await.db()
}

/// The same, and nobody else sweeps it until this unit of work ends.
pub(crate) async fn find_to_sweep(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<Option<Model>> {
    let query = Entity::find_by_id((workspace.to_string(), key.to_owned())).filter(Column::Sweeping.eq(true));
    query.lock_exclusive().one(db).await.db()
}

/// Every definition of a workspace, whatever its state.
pub(crate) async fn all(db: &impl Rows, workspace: &Workspace) -> Result<Tags> {
    let query = Query::<Entity>::on(db).text(" WHERE workspace = ").value(workspace.as_str());
    let rows = db.rows(query).await?;
    Ok(rows.into_iter().map(|row| (row.key.clone(), row)).collect())
}

/// Live ones in the order of their keys.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    after: &str,
    limit: u64,
) -> Result<Vec<Model>> {
    Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::State.eq(crate::domain::tags::LIVE))
        .filter(Column::Key.gt(after))
        .order_by(Column::Key, Order::Asc)
        .limit(limit)
        .all(db)
        .await
        .db()
}

/// One that has assignments to be removed, of any workspace.
pub(crate) async fn sweeping(db: &impl ConnectionTrait) -> Result<Option<Model>> {
    Entity::find().filter(Column::Sweeping.eq(true)).one(db).await.db()
}

/// Writes a definition, new or not.
pub(crate) async fn save(db: &impl ConnectionTrait, tag: Model) -> Result<()> {
    let replace = OnConflict::columns([Column::Workspace, Column::Key])
        .update_columns([
            Column::Name,
            Column::Family,
            Column::Exclusive,
            Column::Ttl,
            Column::Owner,
            Column::Condition,
            Column::State,
            Column::Sweeping,
            Column::CreatedAt,
            Column::UpdatedAt,
        ])
        .to_owned();
    Entity::insert(tag.into_active_model()).on_conflict(replace).exec_without_returning(db).await.db()?;
    Ok(())
}

/// Removes a definition.
pub(crate) async fn remove(db: &impl ConnectionTrait, tag: &Model) -> Result<()> {
    Entity::delete_by_id((tag.workspace.clone(), tag.key.clone())).exec(db).await.db()?;
    Ok(())
}
