//! What people name by a key of its own in each workspace: kept, found, listed and removed alike.

use kernel::page::Page;
use kernel::{Error, Result, Workspace};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait, PrimaryKeyTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use store::StoreResult as _;

use super::CHUNK;

/// Such a thing and its table, whose primary key is workspace and key.
pub(crate) trait Keyed: Sized {
    /// The table.
    type Entity: EntityTrait<PrimaryKey: PrimaryKeyTrait<ValueType = (String, String)>>;
    /// What people call it.
    const WHAT: &'static str;
    /// The column of the workspace.
    const WORKSPACE: Column<Self>;
    /// The column of the key.
    const KEY: Column<Self>;

    /// Its key.
    fn key(&self) -> &str;

    /// From a row.
    fn read(row: Row<Self>) -> Result<Self>;

    /// As a row, with every column set.
    fn write(&self, workspace: &Workspace) -> Result<Active<Self>>;
}

type Column<T> = <<T as Keyed>::Entity as EntityTrait>::Column;
type Row<T> = <<T as Keyed>::Entity as EntityTrait>::Model;
type Active<T> = <<T as Keyed>::Entity as EntityTrait>::ActiveModel;

/// The one of that key.
pub(crate) async fn find<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<Option<T>> {
    T::Entity::find_by_id(id(workspace, key)).one(db).await.db()?.map(T::read).transpose()
}

/// The one of that key, which must be there.
pub(crate) async fn get<T: Keyed>(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<T> {
    find(db, workspace, key).await?.ok_or_else(|| Error::not_found(T::WHAT, key))
}

/// Every one of a workspace: there are few.
pub(crate) async fn all<T: Keyed>(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Vec<T>> {
    read(db, of::<T>(workspace)).await
}

/// Those of these keys that are there.
pub(crate) async fn of_keys<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    keys: &[&str],
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for keys in keys.chunks(CHUNK) {
        found.extend(read::<T>(db, of::<T>(workspace).filter(T::KEY.is_in(keys.iter().copied()))).await?);
    }
    Ok(found)
}

/// One page by key, and one more.
pub(crate) async fn list<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    page: &Page,
) -> Result<Vec<T>> {
    let mut query = of::<T>(workspace);
    if let Some(after) = &page.after {
        query = query.filter(T::KEY.gt(after));
    }
    read(db, query.order_by_asc(T::KEY).limit(page.limit())).await
}

/// Adds one; one of that key is an error.
pub(crate) async fn insert<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    one: &T,
) -> Result<()> {
    let inserted = T::Entity::insert(one.write(workspace)?).exec_without_returning(db).await.db();
    inserted.map(drop).map_err(|error| match error.kind {
        kernel::Kind::AlreadyExists => Error::already_exists(T::WHAT, one.key()),
        _ => error,
    })
}

/// Replaces one.
pub(crate) async fn update<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    one: &T,
) -> Result<()> {
    T::Entity::update(one.write(workspace)?).exec_without_returning(db).await.db().map(drop)
}

/// Removes one, which must be there.
pub(crate) async fn delete<T: Keyed>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<()> {
    let deleted = T::Entity::delete_by_id(id(workspace, key)).exec(db).await.db()?;
    if deleted.rows_affected == 0 { Err(Error::not_found(T::WHAT, key)) } else { Ok(()) }
}

fn id(workspace: &Workspace, key: &str) -> (String, String) {
    (workspace.as_str().to_owned(), key.to_owned())
}

fn of<T: Keyed>(workspace: &Workspace) -> Select<T::Entity> {
    T::Entity::find().filter(T::WORKSPACE.eq(workspace.as_str()))
}

async fn read<T: Keyed>(db: &impl ConnectionTrait, query: Select<T::Entity>) -> Result<Vec<T>> {
    query.all(db).await.db()?.into_iter().map(T::read).collect()
}
