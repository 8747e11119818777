//! Reading records and links.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, ExprTrait as _, QueryFilter as _,
    QuerySelect as _, QueryTrait as _,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::CHUNK;
use super::row::{link, record};
use crate::domain::{Evidence, Graph, Identifier, LinkKey, Rule, StoredLink, StoredRecord, Verdict};

/// The records of identifiers, as far as there are any.
pub(crate) async fn by_identifiers(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    identifiers: &[Identifier],
) -> Result<Vec<StoredRecord>> {
    let mut found = Vec::new();
    for chunk in identifiers.chunks(CHUNK) {
        let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for identifier in chunk {
            by_namespace.entry(&identifier.namespace).or_default().push(&identifier.value);
        }
        // One branch per namespace, each with the leading columns of the primary key.
        let mut any = Condition::any();
        for (namespace, values) in by_namespace {
            let branch = Condition::all()
                .add(record::Column::Workspace.eq(workspace.as_str()))
                .add(record::Column::Namespace.eq(namespace))
                .add(record::Column::Value.is_in(values));
            any = any.add(branch);
        }
        found.extend(record::Entity::find().filter(any).all(db).await.db()?.into_iter().map(record));
    }
    Ok(found)
}

/// A record by what it is known by.
#[derive(Debug)]
pub(crate) enum One {
    Identified(Identifier),
    /// The one that a customer was founded with.
    Founder(RecordId),
}

/// All records of the customer that has this one, in one query; none when there is no such record.
pub(crate) async fn beside(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    one: One,
) -> Result<Vec<StoredRecord>> {
    let of_workspace = || record::Column::Workspace.eq(workspace.as_str());
    let it = match one {
        One::Identified(Identifier { namespace, value }) => {
            record::Column::Namespace.eq(&*namespace).and(record::Column::Value.eq(&*value))
        }
        One::Founder(id) => record::Column::RecordId.eq(id.0).and(record::Column::Founder.eq(true)),
    };
    let mut owner = record::Entity::find().select_only().column(record::Column::CustomerId);
    owner = owner.filter(of_workspace()).filter(it);
    let query = record::Entity::find()
        .filter(of_workspace())
        .filter(record::Column::CustomerId.in_subquery(owner.into_query()));
    Ok(query.all(db).await.db()?.into_iter().map(record).collect())
}

/// Records by their ids.
pub(crate) async fn by_records(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: impl IntoIterator<Item = RecordId>,
) -> Result<Vec<StoredRecord>> {
    by_column(db, workspace, record::Column::RecordId, records.into_iter().map(|id| id.0).collect()).await
}

/// All records of customers.
pub(crate) async fn by_customers(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<StoredRecord>> {
    by_column(db, workspace, record::Column::CustomerId, customers.into_iter().map(|id| id.0).collect()).await
}

async fn by_column(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    column: record::Column,
    ids: Vec<Uuid>,
) -> Result<Vec<StoredRecord>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let query = record::Entity::find()
            .filter(record::Column::Workspace.eq(workspace.as_str()))
            .filter(column.is_in(chunk.iter().copied()));
        found.extend(query.all(db).await.db()?.into_iter().map(record));
    }
    Ok(found)
}

/// Adds to `graph` all records of `customers`, all links of these, and the records at their other ends.
pub(crate) async fn complete(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    graph: &mut Graph,
    customers: &BTreeSet<CustomerId>,
) -> Result<()> {
    let records = by_customers(db, workspace, customers.iter().copied()).await?;
    let ids: Vec<RecordId> = records.iter().map(|record| record.record).collect();
    for record in records {
        graph.insert(record);
    }
    let links = links_of(db, workspace, &ids).await?;
    let ends = links.iter().flat_map(|link| [link.key.a, link.key.b]);
    let far: BTreeSet<RecordId> = ends.filter(|end| graph.find_record(*end).is_none()).collect();
    for record in by_records(db, workspace, far).await? {
        graph.insert(record);
    }
    for link in links {
        graph.insert_link(link);
    }
    graph.complete(customers);
    Ok(())
}

async fn links_of(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[RecordId],
) -> Result<Vec<StoredLink>> {
    let mut found = BTreeMap::new();
    for chunk in records.chunks(CHUNK) {
        for column in [link::Column::A, link::Column::B] {
            let query = link::Entity::find()
                .filter(link::Column::Workspace.eq(workspace.as_str()))
                .filter(column.is_in(chunk.iter().map(|record| record.0)));
            for row in query.all(db).await.db()? {
                let link = stored_link(row)?;
                found.insert(link.key, link);
            }
        }
    }
    Ok(found.into_values().collect())
}

fn record(row: record::Model) -> StoredRecord {
    StoredRecord {
        identifier: Identifier { namespace: row.namespace.into(), value: row.value.into() },
        record: RecordId(row.record_id),
        customer: CustomerId(row.customer_id),
        founder: row.founder,
        created_at: Time(row.created_at),
    }
}

fn stored_link(row: link::Model) -> Result<StoredLink> {
    let rule = Rule::read(&row.rule).ok_or_else(|| Error::internal("a row of link has an unknown rule"))?;
    let verdict =
        Verdict::read(&row.verdict).ok_or_else(|| Error::internal("a row of link has an unknown verdict"))?;
    Ok(StoredLink {
        key: LinkKey { a: RecordId(row.a), b: RecordId(row.b), rule },
        evidence: Evidence { time: Time(row.time), cause: row.cause.into(), actor: row.actor.into() },
        verdict,
    })
}
