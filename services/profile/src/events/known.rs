//! The records that a part of a batch touches: read once, changed in memory, written once.

use std::collections::HashMap;

use kernel::{CustomerId, RecordId, Result, Time, Workspace};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::attributes::{self, Said, Taken};
use crate::domain::person::{self, NEVER, NOT_YET};
use crate::store::records::{self, For};
use crate::store::row::record::Model;

/// Records by id.
pub(crate) struct Known {
    workspace: Workspace,
    rows: HashMap<Uuid, Held>,
}

/// One of them.
pub(crate) struct Held {
    row: Model,
    change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    None,
    Seen,
    Whole,
}

impl Known {
    pub(crate) async fn load(db: &impl ConnectionTrait, workspace: &Workspace, ids: &[Uuid]) -> Result<Self> {
        let rows = records::by_ids(db, workspace, ids, For::Writing).await?;
        let held = |row: Model| (row.record_id, Held { row, change: Change::None });
        Ok(Self { workspace: workspace.clone(), rows: rows.into_iter().map(held).collect() })
    }

    /// A record; one that is not known yet is remembered as this customer's.
    pub(crate) fn record(&mut self, record: RecordId, customer: CustomerId) -> &mut Held {
        let workspace = &self.workspace;
        self.rows
            .entry(record.0)
            .or_insert_with(|| Held { row: unseen(workspace, record, customer), change: Change::Whole })
    }

    pub(crate) async fn save(self, db: &impl ConnectionTrait) -> Result<()> {
        let (mut seen, mut whole) = (Vec::new(), Vec::new());
        for held in self.rows.into_values() {
            match held.change {
                Change::None => {}
                Change::Seen => seen.push(held.row),
                Change::Whole => whole.push(held.row),
            }
        }
        records::save_seen(db, seen).await?;
        records::save(db, whole).await
    }
}

impl Held {
    /// Its customer.
    pub(crate) fn customer(&self) -> CustomerId {
        CustomerId(self.row.customer_id)
    }

    /// The customer was there at `time`.
    pub(crate) fn see(&mut self, time: Time) {
        let (first, last) = (self.row.first_seen.min(time.0), self.row.last_seen.max(time.0));
        if (first, last) != (self.row.first_seen, self.row.last_seen) {
            (self.row.first_seen, self.row.last_seen) = (first, last);
            self.change = self.change.max(Change::Seen);
        }
    }

    /// Takes a patch of attributes in.
    pub(crate) fn take(&mut self, patch: Map<String, Value>, said: &Said) -> Result<Taken> {
        let mut stating = person::attributes(&self.row)?;
        let taken = attributes::take(&mut stating, patch, said);
        if !taken.statements.is_empty() {
            person::state(&mut self.row, &stating)?;
            self.row.version += i64::from(taken.visible);
            self.change = Change::Whole;
        }
        Ok(taken)
    }

    /// A merge or split of that time gave it to a customer; an older one, read late from another partition, does not.
    pub(crate) fn moved(&mut self, customer: CustomerId, time: Time) {
        if time.0 >= self.row.owned_since {
            (self.row.customer_id, self.row.owned_since) = (customer.0, time.0);
            self.change = Change::Whole;
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
