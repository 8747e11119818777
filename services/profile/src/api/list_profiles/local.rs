//! Walks the records in order; a customer stands where its oldest (or last seen) record does.

use std::collections::{BTreeSet, HashMap};

use kernel::{CustomerId, Error, Result, Workspace};
use rules::{Condition, Customer, Facts};
use uuid::Uuid;
use wire::profile::ProfileOrder;

use crate::Shared;
use crate::domain::{person, tags as tagging};
use crate::store::records::{self, For};
use crate::store::row::{assignment, record};
use crate::store::tags::Tags;
use crate::store::{CHUNK, assignments, tags};

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Created(Uuid),
    LastSeen(i64, Uuid),
}

impl Place {
    fn of(order: ProfileOrder, row: &record::Model) -> Self {
        match order {
            ProfileOrder::LastSeen => Self::LastSeen(row.last_seen, row.record_id),
            _ => Self::Created(row.record_id),
        }
    }

    pub(super) fn write(&self) -> String {
        match self {
            Self::Created(record) => record.to_string(),
            Self::LastSeen(time, record) => format!("{time} {record}"),
        }
    }

    pub(super) fn read(order: ProfileOrder, token: &str) -> Result<Self> {
        let read = || match order {
            ProfileOrder::LastSeen => {
                let (time, record) = token.split_once(' ')?;
                Some(Self::LastSeen(time.parse().ok()?, record.parse().ok()?))
            }
            _ => Some(Self::Created(token.parse().ok()?)),
        };
        read().ok_or_else(|| {
            Error::invalid("page_token", "give back a next_page_token with the same order and filter")
        })
    }
}

/// One walk.
pub(super) struct Scan<'a> {
    pub(super) shared: &'a Shared,
    pub(super) workspace: &'a Workspace,
    pub(super) filter: Option<&'a Condition>,
    pub(super) order: ProfileOrder,
}

/// What is known of the customers of some rows.
struct Around {
    records: HashMap<Uuid, Vec<record::Model>>,
    held: HashMap<Uuid, Vec<assignment::Model>>,
    tags: Tags,
}

impl Scan<'_> {
    /// Up to `size` customers behind `after`, and where the next page begins: `None` when this was the last.
    pub(super) async fn page(
        &self,
        mut after: Option<Place>,
        size: usize,
    ) -> Result<(Vec<CustomerId>, Option<Place>)> {
        let (mut found, mut looked_at) = (Vec::new(), 0_u64);
        loop {
            let rows = self.rows(after).await?;
            let around = self.around(&rows).await?;
            for row in &rows {
                if found.len() == size || looked_at >= self.shared.knobs.scan_limit {
                    return Ok((found, after));
                }
                looked_at += 1;
                after = Some(Place::of(self.order, row));
                if self.stands_for_customer(row, &around) && self.holds(row, &around)? {
                    found.push(CustomerId(row.customer_id));
                }
            }
            if rows.len() < CHUNK {
                return Ok((found, None));
            }
        }
    }

    async fn rows(&self, after: Option<Place>) -> Result<Vec<record::Model>> {
        let (db, limit) = (self.shared.db.read(), CHUNK as u64);
        match after {
            Some(Place::LastSeen(time, id)) => {
                records::page_by_last_seen(db, self.workspace, Some((time, id)), limit).await
            }
            Some(Place::Created(id)) => records::page_by_creation(db, self.workspace, Some(id), limit).await,
            None if self.order == ProfileOrder::LastSeen => {
                records::page_by_last_seen(db, self.workspace, None, limit).await
            }
            None => records::page_by_creation(db, self.workspace, None, limit).await,
        }
    }

    async fn around(&self, rows: &[record::Model]) -> Result<Around> {
        let db = self.shared.db.read();
        let customers: Vec<Uuid> = rows.iter().map(|row| row.customer_id).collect();
        let all = records::by_customers(db, self.workspace, &customers, For::Reading).await?;
        let mut around = Around { records: HashMap::new(), held: HashMap::new(), tags: Tags::new() };
        if self.filter.is_some_and(|filter| !filter.uses().tags.is_empty() || filter.uses().any_tag) {
            let ids: Vec<Uuid> = all.iter().map(|row| row.record_id).collect();
            let owners: HashMap<Uuid, Uuid> =
                all.iter().map(|row| (row.record_id, row.customer_id)).collect();
            for row in assignments::of_records(db, self.workspace, &ids).await? {
                let Some(owner) = owners.get(&row.record_id) else { continue };
                around.held.entry(*owner).or_default().push(row);
            }
            around.tags = tags::all(db, self.workspace).await?;
        }
        for row in all {
            around.records.entry(row.customer_id).or_default().push(row);
        }
        Ok(around)
    }

    fn stands_for_customer(&self, row: &record::Model, around: &Around) -> bool {
        let others = around.records.get(&row.customer_id).map_or(&[][..], Vec::as_slice);
        let first = match self.order {
            ProfileOrder::LastSeen => others.iter().max_by_key(|other| (other.last_seen, other.record_id)),
            _ => others.iter().min_by_key(|other| other.record_id),
        };
        first.is_none_or(|first| first.record_id == row.record_id)
    }

    fn holds(&self, row: &record::Model, around: &Around) -> Result<bool> {
        let Some(filter) = self.filter else { return Ok(true) };
        let records = around.records.get(&row.customer_id).map_or(&[][..], Vec::as_slice);
        let held = around.held.get(&row.customer_id).map_or(&[][..], Vec::as_slice);
        let tags: BTreeSet<String> =
            tagging::shown(held, &around.tags).into_iter().map(|assignment| assignment.tag.clone()).collect();
        let facts = Facts {
            attributes: person::fold(records)?.attributes.into_iter().collect(),
            tags,
            ..Facts::default()
        };
        let customer = Customer { facts: &facts, history: &[], segments: &|_| false };
        let shared = self.shared;
        Ok(filter.holds(&customer, shared.clock.now(), shared.workspaces.zone(self.workspace)))
    }
}
