//! Queries on channels.

use kernel::page::Page;
use kernel::{Error, Result, Time, Workspace};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;

use super::row::channel::{ActiveModel, Column, Entity, Model};
use super::{from_text, to_text};
use crate::domain::channel::{Channel, Kind};

/// The channel of that key.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<Option<Channel>> {
    let key = (workspace.as_str().to_owned(), key.to_owned());
    Entity::find_by_id(key).one(db).await.db()?.map(read).transpose()
}

/// The channel of that key, which must be there.
pub(crate) async fn get(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<Channel> {
    find(db, workspace, key).await?.ok_or_else(|| Error::not_found("channel", key))
}

/// Every channel of a workspace: there are few.
pub(crate) async fn all(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Vec<Channel>> {
    let rows = Entity::find().filter(Column::Workspace.eq(workspace.as_str())).all(db).await.db()?;
    rows.into_iter().map(read).collect()
}

/// Workspace and key of every channel there is.
pub(crate) async fn keys(db: &impl ConnectionTrait) -> Result<Vec<(String, String)>> {
    Entity::find().select_only().column(Column::Workspace).column(Column::Key).into_tuple().all(db).await.db()
}

/// One page by key, and one more.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    page: &Page,
) -> Result<Vec<Channel>> {
    let mut query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = &page.after {
        query = query.filter(Column::Key.gt(after));
    }
    let rows = query.order_by_asc(Column::Key).limit(page.limit()).all(db).await.db()?;
    rows.into_iter().map(read).collect()
}

/// Adds one; one of that key is an error.
pub(crate) async fn insert(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    channel: &Channel,
) -> Result<()> {
    let inserted = Entity::insert(write(workspace, channel)?).exec_without_returning(db).await.db();
    inserted.map(drop).map_err(|error| match error.kind {
        kernel::Kind::AlreadyExists => Error::already_exists("channel", &channel.key),
        _ => error,
    })
}

/// Replaces one.
pub(crate) async fn update(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    channel: &Channel,
) -> Result<()> {
    Entity::update(write(workspace, channel)?).exec(db).await.db().map(drop)
}

/// Removes one; says whether it was there.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<bool> {
    let key = (workspace.as_str().to_owned(), key.to_owned());
    Ok(Entity::delete_by_id(key).exec(db).await.db()?.rows_affected > 0)
}

fn read(row: Model) -> Result<Channel> {
    Ok(Channel {
        kind: Kind::read(&row.kind)?,
        shown: from_text(&row.settings)?,
        secrets: from_text(&row.secrets)?,
        key: row.key,
        name: row.name,
        rate: row.rate,
        created: Time(row.created_at),
        updated: Time(row.updated_at),
    })
}

fn write(workspace: &Workspace, channel: &Channel) -> Result<ActiveModel> {
    Ok(ActiveModel {
        workspace: Set(workspace.as_str().to_owned()),
        key: Set(channel.key.clone()),
        name: Set(channel.name.clone()),
        kind: Set(channel.kind.name().to_owned()),
        settings: Set(to_text(&channel.shown)?),
        secrets: Set(to_text(&channel.secrets)?),
        rate: Set(channel.rate.clone()),
        created_at: Set(channel.created.0),
        updated_at: Set(channel.updated.0),
    })
}
