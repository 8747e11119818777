//! Sources by workspace and key.

use kernel::page::Page;
use kernel::{Error, Result, Time, Workspace};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;

use super::row::source as row;
use crate::domain::source::{Kind, Source};

/// All of them; they are few and kept in memory.
pub(crate) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Source>> {
    row::Entity::find().all(db).await.db()?.into_iter().map(from_row).collect()
}

/// All of a workspace's.
pub(crate) async fn of(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Vec<Source>> {
    let found = row::Entity::find().filter(row::Column::Workspace.eq(workspace.as_str())).all(db).await;
    found.db()?.into_iter().map(from_row).collect()
}

/// One page of a workspace's, by key.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    page: &Page,
) -> Result<Vec<Source>> {
    let mut query = row::Entity::find().filter(row::Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = &page.after {
        query = query.filter(row::Column::Key.gt(after.as_str()));
    }
    let rows = query.order_by_asc(row::Column::Key).limit(page.limit()).all(db).await.db()?;
    rows.into_iter().map(from_row).collect()
}

/// One, as the transaction sees it.
pub(crate) async fn get(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<Source> {
    let found = row::Entity::find_by_id((workspace.to_string(), key.to_owned())).one(db).await.db()?;
    found.map(from_row).transpose()?.ok_or_else(|| Error::not_found("source", key))
}

/// Adds a new one.
///
/// # Errors
/// [`kernel::Kind::AlreadyExists`].
pub(crate) async fn insert(db: &impl ConnectionTrait, source: &Source) -> Result<()> {
    let inserted = row::Entity::insert(to_row(source)).exec_without_returning(db).await.db();
    inserted.map(drop).map_err(|error| match error.kind {
        kernel::Kind::AlreadyExists => Error::already_exists("source", &source.key),
        _ => error,
    })
}

/// Replaces one.
pub(crate) async fn update(db: &impl ConnectionTrait, source: &Source) -> Result<()> {
    row::Entity::update(to_row(source)).exec(db).await.db()?;
    Ok(())
}

/// Removes one.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<()> {
    row::Entity::delete_by_id((workspace.to_string(), key.to_owned())).exec(db).await.db()?;
    Ok(())
}

fn from_row(row: row::Model) -> Result<Source> {
    let damaged = || Error::internal(format!("source `{}` is damaged", row.key));
    Ok(Source {
        kind: Kind::parse(&row.kind).ok_or_else(damaged)?,
        settings: serde_json::from_str(&row.settings).map_err(|cause| damaged().caused_by(cause))?,
        workspace: Workspace::new(row.workspace),
        key: row.key,
        name: row.name,
        write_key_hash: row.write_key_hash,
        disabled: row.disabled,
        priority: row.priority,
        created_at: Time(row.created_at),
        updated_at: Time(row.updated_at),
    })
}

fn to_row(source: &Source) -> row::ActiveModel {
    row::ActiveModel {
        workspace: Set(source.workspace.to_string()),
        key: Set(source.key.clone()),
        name: Set(source.name.clone()),
        kind: Set(source.kind.name().to_owned()),
        settings: Set(serde_json::Value::Object(source.settings.clone()).to_string()),
        write_key_hash: Set(source.write_key_hash.clone()),
        disabled: Set(source.disabled),
        priority: Set(source.priority),
        created_at: Set(source.created_at.0),
        updated_at: Set(source.updated_at.0),
    }
}
