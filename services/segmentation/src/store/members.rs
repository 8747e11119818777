//! Members by part, for listing, and how many there are.

use std::collections::BTreeMap;

use kernel::{Result, Time, Workspace};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::row::{membership, removal, size};
use super::{KEYS, ROWS, put};
use crate::domain::definition::Definition;

/// The part under which all customers are counted.
pub(crate) const EVERYBODY: u32 = 0;

/// Sets or removes memberships by part and customer.
pub(crate) async fn save(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    changes: &BTreeMap<(u32, Uuid), Option<Time>>,
) -> Result<()> {
    let row = |((part, customer), since): (&(u32, Uuid), &Option<Time>)| {
        Some(membership::ActiveModel {
            workspace: Set(workspace.to_string()),
            part: Set(i64::from(*part)),
            customer_id: Set(*customer),
            since: Set(since.as_ref()?.0),
        })
    };
    put(db, changes.iter().filter_map(row)).await?;
    let out: Vec<(u32, Uuid)> =
        changes.iter().filter(|(_, since)| since.is_none()).map(|(key, _)| *key).collect();
    for chunk in out.chunks(ROWS) {
        let mut by_part: BTreeMap<u32, Vec<Uuid>> = BTreeMap::new();
        for (part, customer) in chunk {
            by_part.entry(*part).or_default().push(*customer);
        }
        let any = by_part.into_iter().fold(Condition::any(), |any, (part, customers)| {
            let part = membership::Column::Part.eq(i64::from(part));
            any.add(part.and(membership::Column::CustomerId.is_in(customers)))
        });
        let of = membership::Column::Workspace.eq(workspace.as_str());
        membership::Entity::delete_many().filter(of).filter(any).exec(db).await.db()?;
    }
    Ok(())
}

/// Adds to the sizes of parts.
pub(crate) async fn count(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    changes: &BTreeMap<u32, i64>,
) -> Result<()> {
    let row = |(part, change): (&u32, &i64)| size::ActiveModel {
        workspace: Set(workspace.to_string()),
        part: Set(i64::from(*part)),
        customers: Set(*change),
    };
    let rows: Vec<_> = changes.iter().filter(|(_, change)| **change != 0).map(row).collect();
    for chunk in rows.chunks(ROWS) {
        let sum =
            Expr::col((size::Entity, size::Column::Customers)).add(Expr::col(("excluded", "customers")));
        let add = OnConflict::columns([size::Column::Workspace, size::Column::Part])
            .value(size::Column::Customers, sum)
            .to_owned();
        size::Entity::insert_many(chunk.to_vec()).on_conflict(add).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

/// The sizes of parts; those that are missing are empty.
pub(crate) async fn sizes(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    parts: &[u32],
) -> Result<BTreeMap<u32, i64>> {
    let mut sizes = BTreeMap::new();
    for chunk in parts.chunks(KEYS) {
        let of = size::Column::Workspace.eq(workspace.as_str());
        let within = size::Column::Part.is_in(chunk.iter().copied().map(i64::from));
        for row in size::Entity::find().filter(of).filter(within).all(db).await.db()? {
            sizes.insert(u32::try_from(row.part).unwrap_or(u32::MAX), row.customers);
        }
    }
    Ok(sizes)
}

/// How many customers there are.
pub(crate) async fn everybody(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<i64> {
    Ok(sizes(db, workspace, &[EVERYBODY]).await?.get(&EVERYBODY).copied().unwrap_or(0))
}

/// Members of a part in the order of their ids.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    part: u32,
    (after, limit): (Option<Uuid>, u64),
) -> Result<Vec<Uuid>> {
    let mut query = membership::Entity::find()
        .select_only()
        .column(membership::Column::CustomerId)
        .filter(membership::Column::Workspace.eq(workspace.as_str()))
        .filter(membership::Column::Part.eq(i64::from(part)));
    if let Some(after) = after {
        query = query.filter(membership::Column::CustomerId.gt(after));
    }
    query.order_by_asc(membership::Column::CustomerId).limit(limit).into_tuple().all(db).await.db()
}

/// Forgets how many were in parts that are no more.
pub(crate) async fn drop_sizes(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    parts: Vec<u32>,
) -> Result<()> {
    let of = size::Column::Workspace.eq(workspace.as_str());
    let within = size::Column::Part.is_in(parts.into_iter().map(i64::from));
    size::Entity::delete_many().filter(of).filter(within).exec(db).await.db()?;
    Ok(())
}

/// Notes that the members of a deleted segment must be told.
pub(crate) async fn remove_later(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    deleted: &Definition,
) -> Result<()> {
    let row = |part: &crate::domain::definition::Part| {
        let row = removal::Model {
            workspace: workspace.to_string(),
            part: i64::from(part.id),
            key: deleted.key.clone(),
            name: deleted.name.clone(),
            kind: deleted.kind.name().to_owned(),
        };
        row.into_active_model()
    };
    put(db, deleted.latest.iter().map(row)).await
}

/// Deleted segments whose members have not all been told.
pub(crate) async fn removals(db: &impl ConnectionTrait) -> Result<Vec<removal::Model>> {
    removal::Entity::find().all(db).await.db()
}

/// All of them have been told.
pub(crate) async fn removed(db: &impl ConnectionTrait, done: &removal::Model) -> Result<()> {
    removal::Entity::delete_by_id((done.workspace.clone(), done.part)).exec(db).await.db()?;
    Ok(())
}
