//! Changes to the tags of some customers within one unit of work: read once, changed in memory, written once, told.

use std::collections::{BTreeMap, HashMap};

use ::store::{Rows, Unit};
use chassis::fact::{self, Cause};
use kernel::{CustomerId, Ids, RecordId, Result, Time, Workspace};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::tags::Changes;
use crate::store::row::{assignment, record};
use crate::store::tags::Tags;
use crate::store::{assignments, records};

type Held = BTreeMap<(Uuid, String), assignment::Model>;

/// The tags of some customers.
pub(crate) struct Sheet {
    workspace: Workspace,
    pub(crate) tags: Tags,
    owners: HashMap<Uuid, Uuid>,
    customers: HashMap<Uuid, Vec<Uuid>>,
    before: Held,
    now: Held,
    told: Vec<Told>,
}

struct Told {
    name: &'static str,
    record: Uuid,
    time: Time,
    cause: Cause,
    properties: Map<String, Value>,
}

impl Sheet {
    /// The assignments of these records, which should be all of their customers.
    pub(crate) async fn load(
        db: &impl Rows,
        workspace: &Workspace,
        tags: Tags,
        records: &[record::Model],
    ) -> Result<Self> {
        let ids: Vec<Uuid> = records.iter().map(|row| row.record_id).collect();
        let rows = assignments::of_records(db, workspace, &ids).await?;
        let before: Held = rows.into_iter().map(|row| ((row.record_id, row.tag.clone()), row)).collect();
        let mut customers: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for row in records {
            customers.entry(row.customer_id).or_default().push(row.record_id);
        }
        Ok(Self {
            workspace: workspace.clone(),
            tags,
            owners: records.iter().map(|row| (row.record_id, row.customer_id)).collect(),
            customers,
            now: before.clone(),
            before,
            told: Vec::new(),
        })
    }

    /// The customer of a record.
    pub(crate) fn owner(&self, record: Uuid) -> Option<Uuid> {
        self.owners.get(&record).copied()
    }

    /// All assignments of a customer.
    pub(crate) fn held(&self, customer: Uuid) -> Vec<&assignment::Model> {
        let records = self.customers.get(&customer).map_or(&[][..], Vec::as_slice);
        let of = |record: &Uuid| {
            let (record, from) = (*record, (*record, String::new()));
            self.now.range(from..).take_while(move |((r, _), _)| *r == record).map(|(_, row)| row)
        };
        records.iter().flat_map(of).collect()
    }

    /// Takes changes in; they are told with this time and cause.
    pub(crate) fn apply(&mut self, changes: Changes, time: Time, cause: &Cause) {
        for (row, reason) in changes.removed {
            self.remove(vec![row], reason, time, cause);
        }
        for row in changes.added {
            self.tell("tag.added", row.record_id, time, cause, added(&row));
            self.now.insert((row.record_id, row.tag.clone()), row);
        }
        for row in changes.adopted {
            self.now.insert((row.record_id, row.tag.clone()), row);
        }
    }

    /// Takes these assignments away for a reason.
    pub(crate) fn remove(&mut self, rows: Vec<assignment::Model>, reason: &str, time: Time, cause: &Cause) {
        for row in rows {
            let properties = Map::from_iter([
                ("tag".to_owned(), row.tag.as_str().into()),
                ("reason".to_owned(), reason.into()),
            ]);
            self.tell("tag.removed", row.record_id, time, cause, properties);
            self.now.remove(&(row.record_id, row.tag));
        }
    }

    fn tell(
        &mut self,
        name: &'static str,
        record: Uuid,
        time: Time,
        cause: &Cause,
        properties: Map<String, Value>,
    ) {
        self.told.push(Told { name, record, time, cause: cause.clone(), properties });
    }

    /// Writes what changed and publishes what is to be told. A record's version grows by one for each change told.
    pub(crate) async fn save(self, unit: &mut Unit, ids: &Ids) -> Result<()> {
        let gone: Vec<assignment::Model> = self
            .before
            .iter()
            .filter(|(key, _)| !self.now.contains_key(*key))
            .map(|(_, row)| row.clone())
            .collect();
        let kept: Vec<assignment::Model> = self
            .now
            .iter()
            .filter(|(key, row)| self.before.get(*key) != Some(*row))
            .map(|(_, row)| row.clone())
            .collect();
        assignments::remove(unit.db(), &self.workspace, &gone).await?;
        assignments::save(unit.db(), kept).await?;
        let touched: Vec<Uuid> = self.told.iter().map(|told| told.record).collect();
        records::bump(unit.db(), &self.workspace, &touched).await?;
        for told in self.told {
            let Some(customer) = self.owners.get(&told.record) else { continue };
            let subject = (CustomerId(*customer), RecordId(told.record));
            match fact::new(ids, told.name, subject, told.time, &told.cause, told.properties) {
                Ok(event) => unit.publish(&self.workspace, &event),
                Err(error) => tracing::warn!(cause = told.cause.id, %error, "a change of a tag is not told"),
            }
        }
        Ok(())
    }
}

fn added(row: &assignment::Model) -> Map<String, Value> {
    let mut properties = Map::from_iter([
        ("tag".to_owned(), row.tag.as_str().into()),
        ("source".to_owned(), row.source.as_str().into()),
        ("reason".to_owned(), row.reason.as_str().into()),
    ]);
    if let Some(expires) = row.expires_at {
        properties.insert("expires_at".to_owned(), Time(expires).to_string().into());
    }
    properties
}
