//! The service's tables.

pub(crate) mod definitions;
pub(crate) mod filling;
pub(crate) mod members;
pub(crate) mod migration;
pub(crate) mod people;
pub(crate) mod row;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable as _, PrimaryKeyToColumn as _,
};
use store::StoreResult as _;

/// Keys in one `select … in`, at the most.
const KEYS: usize = 500;
/// Rows in one statement, at the most; SQLite takes 32,766 parameters.
const ROWS: usize = 1_000;

/// Inserts rows, or replaces what stands under their keys.
pub(crate) async fn put<A>(db: &impl ConnectionTrait, rows: Vec<A>) -> kernel::Result<()>
where
    A: ActiveModelTrait + Clone,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    let keys: Vec<_> = <A::Entity as EntityTrait>::PrimaryKey::iter().map(|key| key.into_column()).collect();
    let is_key = |column: &<A::Entity as EntityTrait>::Column| keys.iter().any(|key| same::<A>(key, column));
    let rest: Vec<_> = <A::Entity as EntityTrait>::Column::iter().filter(|column| !is_key(column)).collect();
    for chunk in rows.chunks(ROWS) {
        let mut replace = OnConflict::columns(keys.clone());
        let replace =
            if rest.is_empty() { replace.do_nothing() } else { replace.update_columns(rest.clone()) }
                .to_owned();
        let insert = A::Entity::insert_many(chunk.to_vec()).on_conflict(replace);
        insert.exec_without_returning(db).await.db()?;
    }
    Ok(())
}

fn same<A: ActiveModelTrait>(
    one: &<A::Entity as EntityTrait>::Column,
    other: &<A::Entity as EntityTrait>::Column,
) -> bool {
    use sea_orm::IdenStatic as _;
    one.as_str() == other.as_str()
}
