//! The records that a part of a batch touches: those of which more changes than when they were seen are read once,
//! changed in memory, and written once; the others are never read.

use std::collections::{HashMap, HashSet};

use kernel::{CustomerId, RecordId, Result, Time, Workspace};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use store::Rows;
use uuid::Uuid;

use crate::domain::attributes::{self, Said, Taken};
use crate::domain::person::{self, NEVER, NOT_YET};
use crate::store::records::{self, For};
use crate::store::row::record::Model;

/// Records by id.
pub(crate) struct Known {
    workspace: Workspace,
    asked: HashSet<Uuid>,
    read: HashMap<Uuid, Held>,
    /// Those not asked for, as they are if they are new.
    seen: HashMap<Uuid, Model>,
}

/// One that was read.
pub(crate) struct Held {
    row: Model,
    changed: bool,
}

impl Known {
    pub(crate) async fn load(db: &impl Rows, workspace: &Workspace, ids: &[Uuid]) -> Result<Self> {
        let rows = records::by_ids(db, workspace, ids, For::Writing).await?;
        let held = |row: Model| (row.record_id, Held { row, changed: false });
        let read = rows.into_iter().map(held).collect();
        let asked = ids.iter().copied().collect();
        Ok(Self { workspace: workspace.clone(), asked, read, seen: HashMap::new() })
    }

    /// One of the records asked for; one that is not known yet is remembered as this customer's.
    pub(crate) fn record(&mut self, record: RecordId, customer: CustomerId) -> &mut Held {
        let workspace = &self.workspace;
        self.read
            .entry(record.0)
            .or_insert_with(|| Held { row: unseen(workspace, record, customer), changed: true })
    }

    /// Something happened on a record; at `presence` the customer was there.
    pub(crate) fn pass(&mut self, record: RecordId, customer: CustomerId, presence: Option<Time>) {
        let row = if self.asked.contains(&record.0) {
            let held = self.record(record, customer);
            held.changed |= presence.is_some();
            &mut held.row
        } else {
            let new = || unseen(&self.workspace, record, customer);
            self.seen.entry(record.0).or_insert_with(new)
        };
        if let Some(time) = presence {
            (row.first_seen, row.last_seen) = (row.first_seen.min(time.0), row.last_seen.max(time.0));
        }
    }

    pub(crate) async fn save(self, db: &impl ConnectionTrait) -> Result<()> {
        records::see(db, self.seen.into_values().collect()).await?;
        let changed = self.read.into_values().filter(|held| held.changed);
        records::save(db, changed.map(|held| held.row).collect()).await
    }
}

impl Held {
    /// Its customer.
    pub(crate) fn customer(&self) -> CustomerId {
        CustomerId(self.row.customer_id)
    }

    /// Takes a patch of attributes in.
    pub(crate) fn take(&mut self, patch: Map<String, Value>, said: &Said) -> Result<Taken> {
        let mut stating = person::attributes(&self.row)?;
        let taken = attributes::take(&mut stating, patch, said);
        if !taken.statements.is_empty() {
            person::state(&mut self.row, &stating)?;
            self.row.version += i64::from(taken.visible);
            self.changed = true;
        }
        Ok(taken)
    }

    /// A merge or split of that time gave it to a customer; an older one, read late from another partition, does not.
    pub(crate) fn moved(&mut self, customer: CustomerId, time: Time) {
        if time.0 >= self.row.owned_since {
            (self.row.customer_id, self.row.owned_since) = (customer.0, time.0);
            self.changed = true;
        }
    }
}

/// A record of which nothing is known yet.
pub(crate) fn unseen(workspace: &Workspace, record: RecordId, customer: CustomerId) -> Model {
    Model {
        workspace: workspace.to_string(),
        record_id: record.0,
        customer_id: customer.0,
        owned_since: 0,
        attributes: "{}".to_owned(),
        first_seen: NOT_YET,
        last_seen: NEVER,
        version: 0,
    }
}
