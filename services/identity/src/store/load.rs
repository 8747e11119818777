//! Reading records and links.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _};
use store::rows::{Query, by_keys};
use store::{Rows, StoreResult as _};
use uuid::Uuid;

use super::CHUNK;
use super::row::{link, record};
use crate::domain::{Evidence, Graph, Identifier, LinkKey, Rule, StoredLink, StoredRecord, Verdict};

/// The records of identifiers, as far as there are any.
pub(crate) async fn by_identifiers(
    db: &impl Rows,
    workspace: &Workspace,
    identifiers: &[Identifier],
) -> Result<Vec<StoredRecord>> {
    let mut found = Vec::new();
    for chunk in identifiers.chunks(CHUNK) {
        let query = known_by(Query::on(db).text(" WHERE "), workspace, chunk, &[]);
        found.extend(db.rows(query).await?.into_iter().map(record));
    }
    Ok(found)
}

/// A record by what it is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum One {
    Identified(Identifier),
    /// The one that a customer was founded with.
    Founder(RecordId),
}

/// Customers that were asked for by one of their records.
#[derive(Debug, Default)]
pub(crate) struct Customers {
    owners: HashMap<One, CustomerId>,
    records: HashMap<CustomerId, Vec<StoredRecord>>,
}

impl Customers {
    /// The customer that has this record, with all its records.
    pub(crate) fn having(&self, one: &One) -> Option<(CustomerId, &[StoredRecord])> {
        let id = *self.owners.get(one)?;
        Some((id, self.records.get(&id)?))
    }
}

/// The customers that have these records, in one query for as many as one statement takes.
pub(crate) async fn customers(db: &impl Rows, workspace: &Workspace, asked: &[One]) -> Result<Customers> {
    let mut found = Customers::default();
    for chunk in asked.chunks(CHUNK) {
        let mut records: HashMap<CustomerId, Vec<StoredRecord>> = HashMap::new();
        for record in db.rows(having(db, workspace, chunk)).await?.into_iter().map(record) {
            found.owners.insert(One::Identified(record.identifier.clone()), record.customer);
            if record.founder {
                found.owners.insert(One::Founder(record.record), record.customer);
            }
            records.entry(record.customer).or_default().push(record);
        }
        found.records.extend(records);
    }
    Ok(found)
}

/// All records of the customers that have one of these.
fn having(db: &impl ConnectionTrait, workspace: &Workspace, asked: &[One]) -> Query<record::Entity> {
    let (mut identifiers, mut founders) = (Vec::new(), Vec::new());
    for one in asked {
        match one {
            One::Identified(identifier) => identifiers.push(identifier),
            One::Founder(id) => founders.push(id.0),
        }
    }
    let query = Query::on(db).text(" WHERE workspace = ").value(workspace.as_str());
    let query = query.text(" AND customer_id IN (SELECT customer_id FROM record WHERE ");
    known_by(query, workspace, identifiers, &founders).text(")")
}

/// Goes on with a condition that holds for these: one branch per namespace, each with the leading columns of the primary
/// key, and one for founders. At least one is given.
fn known_by<'a>(
    query: Query<record::Entity>,
    workspace: &Workspace,
    identifiers: impl IntoIterator<Item = &'a Identifier>,
    founders: &[Uuid],
) -> Query<record::Entity> {
    let mut namespaces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for identifier in identifiers {
        namespaces.entry(&identifier.namespace).or_default().push(&identifier.value);
    }
    let mut or = std::iter::once("").chain(std::iter::repeat(" OR "));
    let mut branch = |query: Query<record::Entity>| {
        query.text(or.next().unwrap_or_default()).text("workspace = ").value(workspace.as_str())
    };
    let query = namespaces.into_iter().fold(query, |query, (namespace, values)| {
        branch(query).text(" AND namespace = ").value(namespace).text(" AND value").among(&values)
    });
    if founders.is_empty() {
        return query;
    }
    branch(query).text(" AND founder AND record_id").among(founders)
}

/// Records by their ids.
pub(crate) async fn by_records(
    db: &impl Rows,
    workspace: &Workspace,
    records: impl IntoIterator<Item = RecordId>,
) -> Result<Vec<StoredRecord>> {
    by_column(db, workspace, record::Column::RecordId, records.into_iter().map(|id| id.0).collect()).await
}

/// All records of customers.
pub(crate) async fn by_customers(
    db: &impl Rows,
    workspace: &Workspace,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<StoredRecord>> {
    by_column(db, workspace, record::Column::CustomerId, customers.into_iter().map(|id| id.0).collect()).await
}

async fn by_column(
    db: &impl Rows,
    workspace: &Workspace,
    column: record::Column,
    ids: Vec<Uuid>,
) -> Result<Vec<StoredRecord>> {
    let rows =
        by_keys::<record::Entity, _>(db, (record::Column::Workspace, workspace), (column, &ids)).await?;
    Ok(rows.into_iter().map(record).collect())
}

/// Adds to `graph` all records of `customers`, all links of these, and the records at their other ends.
pub(crate) async fn complete(
    db: &impl Rows,
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
