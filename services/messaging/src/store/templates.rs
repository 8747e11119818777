//! Queries on templates.

use kernel::page::Page;
use kernel::{Error, Result, Time, Workspace};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;

use super::row::template::{ActiveModel, Column, Entity, Model};
use super::{CHUNK, from_text, to_text};
use crate::domain::template::Variant;

/// A template as kept.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) variants: Vec<Variant>,
    pub(crate) created: Time,
    pub(crate) updated: Time,
}

/// The template of that key, which must be there.
pub(crate) async fn get(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<Template> {
    let id = (workspace.as_str().to_owned(), key.to_owned());
    let row = Entity::find_by_id(id).one(db).await.db()?;
    row.map(read).transpose()?.ok_or_else(|| Error::not_found("template", key))
}

/// The templates of those keys that are there.
pub(crate) async fn of_keys(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    keys: &[&str],
) -> Result<Vec<Template>> {
    let mut found = Vec::new();
    for keys in keys.chunks(CHUNK) {
        let query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
        let rows = query.filter(Column::Key.is_in(keys.iter().copied())).all(db).await.db()?;
        for row in rows {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// One page by key, and one more.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    page: &Page,
) -> Result<Vec<Template>> {
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
    template: &Template,
) -> Result<()> {
    let inserted = Entity::insert(write(workspace, template)?).exec_without_returning(db).await.db();
    inserted.map(drop).map_err(|error| match error.kind {
        kernel::Kind::AlreadyExists => Error::already_exists("template", &template.key),
        _ => error,
    })
}

/// Replaces one.
pub(crate) async fn update(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    template: &Template,
) -> Result<()> {
    Entity::update(write(workspace, template)?).exec(db).await.db().map(drop)
}

/// Removes one; says whether it was there.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<bool> {
    let key = (workspace.as_str().to_owned(), key.to_owned());
    Ok(Entity::delete_by_id(key).exec(db).await.db()?.rows_affected > 0)
}

fn read(row: Model) -> Result<Template> {
    Ok(Template {
        variants: from_text(&row.variants)?,
        key: row.key,
        name: row.name,
        created: Time(row.created_at),
        updated: Time(row.updated_at),
    })
}

fn write(workspace: &Workspace, template: &Template) -> Result<ActiveModel> {
    Ok(ActiveModel {
        workspace: Set(workspace.as_str().to_owned()),
        key: Set(template.key.clone()),
        name: Set(template.name.clone()),
        variants: Set(to_text(&template.variants)?),
        created_at: Set(template.created.0),
        updated_at: Set(template.updated.0),
    })
}
