//! Records, customers and aliases: read and written by hundreds.

use std::collections::{BTreeSet, HashMap};

use kernel::{Result, Time, Workspace};
use rules::State;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::rows::by_keys;
use store::{Rows, StoreResult as _};
use uuid::Uuid;

use super::row::{alias, applied_merge, customer_state, record_state};
use super::{KEYS, put};
use crate::domain::facts::RecordFacts;
use crate::domain::memberships::Memberships;
use crate::domain::person::{Customer, Record, decode_ids, encode_ids};

/// The records of these ids that are known.
pub(crate) async fn records(
    db: &impl Rows,
    workspace: &Workspace,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Record)>> {
    let of = (record_state::Column::Workspace, workspace);
    let rows = by_keys::<record_state::Entity, _>(db, of, (record_state::Column::RecordId, ids)).await?;
    rows.into_iter().map(|row| Ok((row.record_id, read_record(&row)?))).collect()
}

/// The customers of these ids that are known.
pub(crate) async fn customers(
    db: &impl Rows,
    workspace: &Workspace,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Customer)>> {
    let of = (customer_state::Column::Workspace, workspace);
    let rows =
        by_keys::<customer_state::Entity, _>(db, of, (customer_state::Column::CustomerId, ids)).await?;
    rows.into_iter().map(|row| Ok((row.customer_id, read_customer(&row)?))).collect()
}

/// The customers that ids lead to, with their present id; ids that are not known are left out.
pub(crate) async fn resolve(
    db: &impl Rows,
    workspace: &Workspace,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, (Uuid, Customer)>> {
    let mut found = HashMap::new();
    // Asked id by the id it leads to so far.
    let mut open: HashMap<Uuid, Vec<Uuid>> = ids.iter().map(|id| (*id, vec![*id])).collect();
    while !open.is_empty() {
        let asked: Vec<Uuid> = open.keys().copied().collect();
        for (id, customer) in customers(db, workspace, &asked).await? {
            for asked in open.remove(&id).unwrap_or_default() {
                found.insert(asked, (id, customer.clone()));
            }
        }
        let missing: BTreeSet<Uuid> = open.keys().copied().collect();
        let missing: Vec<Uuid> = missing.into_iter().collect();
        let mut next: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (absorbed, survivor) in aliases(db, workspace, &missing).await? {
            next.entry(survivor).or_default().extend(open.remove(&absorbed).unwrap_or_default());
        }
        open = next;
    }
    Ok(found)
}

/// Customers in the order of their ids, after `after`.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<(Uuid, Customer)>> {
    let mut query =
        customer_state::Entity::find().filter(customer_state::Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = after {
        query = query.filter(customer_state::Column::CustomerId.gt(after));
    }
    let rows = query.order_by_asc(customer_state::Column::CustomerId).limit(limit).all(db).await.db()?;
    rows.into_iter().map(|row| Ok((row.customer_id, read_customer(&row)?))).collect()
}

/// Customers whose moment has come, the earliest first.
pub(crate) async fn due(db: &impl ConnectionTrait, now: Time, limit: u64) -> Result<Vec<(Workspace, Uuid)>> {
    let query = customer_state::Entity::find()
        .select_only()
        .columns([customer_state::Column::Workspace, customer_state::Column::CustomerId])
        .filter(customer_state::Column::DueAt.lte(now.0))
        .order_by_asc(customer_state::Column::DueAt)
        .limit(limit);
    let rows: Vec<(String, Uuid)> = query.into_tuple().all(db).await.db()?;
    Ok(rows.into_iter().map(|(workspace, id)| (Workspace::new(workspace), id)).collect())
}

/// The earliest moment at which a customer is due.
pub(crate) async fn next_due(db: &impl ConnectionTrait) -> Result<Option<Time>> {
    let query =
        customer_state::Entity::find().select_only().column_as(customer_state::Column::DueAt.min(), "next");
    let next: Option<Option<i64>> = query.into_tuple().one(db).await.db()?;
    Ok(next.flatten().map(Time).filter(|next| *next != Time::MAX))
}

/// Into whom these customers went, as far as they did.
pub(crate) async fn aliases(
    db: &impl Rows,
    workspace: &Workspace,
    absorbed: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>> {
    let of = (alias::Column::Workspace, workspace);
    let rows = by_keys::<alias::Entity, _>(db, of, (alias::Column::Absorbed, absorbed)).await?;
    Ok(rows.into_iter().map(|row| (row.absorbed, row.survivor)).collect())
}

/// Notes where absorbed customers went; `None`: they are back.
pub(crate) async fn save_aliases(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    aliases: &HashMap<Uuid, Option<Uuid>>,
) -> Result<()> {
    let back: Vec<Uuid> =
        aliases.iter().filter(|(_, survivor)| survivor.is_none()).map(|(id, _)| *id).collect();
    if !back.is_empty() {
        let of = alias::Column::Workspace.eq(workspace.as_str());
        alias::Entity::delete_many()
            .filter(of)
            .filter(alias::Column::Absorbed.is_in(back))
            .exec(db)
            .await
            .db()?;
    }
    let row = |(absorbed, survivor): (&Uuid, &Option<Uuid>)| {
        let workspace = Set(workspace.to_string());
        Some(alias::ActiveModel { workspace, absorbed: Set(*absorbed), survivor: Set((*survivor)?) })
    };
    put(db, aliases.iter().filter_map(row)).await
}

/// Whether a merge or split is applied for the first time; it counts as applied from then on.
pub(crate) async fn first_time(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    name: &str,
    merge: &str,
) -> Result<bool> {
    let id = (workspace.to_string(), name.to_owned(), merge.to_owned());
    if applied_merge::Entity::find_by_id(id.clone()).one(db).await.db()?.is_some() {
        return Ok(false);
    }
    let row = applied_merge::ActiveModel { workspace: Set(id.0), name: Set(id.1), merge: Set(id.2) };
    put(db, vec![row]).await?;
    Ok(true)
}

/// Writes records.
pub(crate) async fn save_records<'a>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: impl Iterator<Item = (&'a Uuid, &'a Record)>,
) -> Result<()> {
    let row = |(id, record): (&Uuid, &Record)| {
        Ok(record_state::ActiveModel {
            workspace: Set(workspace.to_string()),
            record_id: Set(*id),
            customer_id: Set(record.customer),
            facts: Set(record.facts.encode()?),
            state: Set(if record.state.is_empty() { Vec::new() } else { record.state.encode() }),
        })
    };
    put(db, records.map(row).collect::<Result<Vec<_>>>()?).await
}

/// Writes customers and removes those that are gone.
pub(crate) async fn save_customers<'a>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: impl Iterator<Item = (&'a Uuid, &'a Customer)>,
) -> Result<()> {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    for (id, customer) in customers {
        if customer.gone {
            gone.push(*id);
            continue;
        }
        rows.push(customer_state::ActiveModel {
            workspace: Set(workspace.to_string()),
            customer_id: Set(*id),
            records: Set(encode_ids(&customer.records)),
            memberships: Set(customer.memberships.encode()),
            due_at: Set(customer.due.0),
        });
    }
    put(db, rows).await?;
    for chunk in gone.chunks(KEYS) {
        let of = customer_state::Column::Workspace.eq(workspace.as_str());
        let within = customer_state::Column::CustomerId.is_in(chunk.iter().copied());
        customer_state::Entity::delete_many().filter(of).filter(within).exec(db).await.db()?;
    }
    Ok(())
}

fn read_record(row: &record_state::Model) -> Result<Record> {
    let state = if row.state.is_empty() { State::new() } else { State::decode(&row.state)? };
    Ok(Record { customer: row.customer_id, facts: RecordFacts::decode(&row.facts)?, state, changed: false })
}

fn read_customer(row: &customer_state::Model) -> Result<Customer> {
    Ok(Customer {
        records: decode_ids(&row.records)?,
        memberships: Memberships::decode(&row.memberships)?,
        due: Time(row.due_at),
        facts: None,
        changed: false,
        gone: false,
        newborn: false,
    })
}
