//! Merges and splits: records change owners, and everybody concerned is evaluated over the records that are theirs.

use std::collections::BTreeSet;

use kernel::{Result, Time};
use serde_json::Value;
use uuid::Uuid;
use wire::event::Event;

use super::{Why, Work};
use crate::domain::person::Record;

/// What a `customer.merged` or `customer.split` says.
#[derive(Clone, Debug)]
pub(crate) struct Merge {
    pub(crate) merge_id: String,
    pub(crate) survivor: Uuid,
    /// Absorbed by a merge.
    pub(crate) gone: Vec<Uuid>,
    /// Restored by a split.
    pub(crate) back: Vec<Uuid>,
    /// Record and whose it is from now on.
    pub(crate) records: Vec<(Uuid, Uuid)>,
}

impl Merge {
    /// Reads it.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] that names what is missing.
    pub(crate) fn read(event: &Event) -> Result<Self> {
        let properties = chassis::fact::properties(event);
        let text = |name: &str| properties.get(name).and_then(Value::as_str).unwrap_or_default();
        let ids = |name: &str| -> Result<Vec<Uuid>> {
            let list = properties.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            list.iter().map(|value| id(name, value.as_str().unwrap_or_default())).collect()
        };
        let moved = |value: &Value| {
            let part = |name: &str| id(name, value.get(name).and_then(Value::as_str).unwrap_or_default());
            Ok((part("record_id")?, part("customer_id")?))
        };
        let records = properties.get("records").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(Self {
            merge_id: text("merge_id").to_owned(),
            survivor: id("survivor", text("survivor"))?,
            gone: if event.name == "customer.merged" { ids("merged")? } else { Vec::new() },
            back: if event.name == "customer.split" { ids("restored")? } else { Vec::new() },
            records: records.iter().map(moved).collect::<Result<_>>()?,
        })
    }

    /// Tells it from every other: one undoing may split several customers under one merge id.
    pub(crate) fn identity(&self) -> String {
        let mut others: Vec<String> = self.gone.iter().chain(&self.back).map(Uuid::to_string).collect();
        others.sort_unstable();
        format!("{} {} {}", self.merge_id, self.survivor, others.join(" "))
    }

    /// Everybody it names.
    pub(crate) fn customers(&self) -> BTreeSet<Uuid> {
        let named = self.gone.iter().chain(&self.back).chain([&self.survivor]);
        named.chain(self.records.iter().map(|(_, customer)| customer)).copied().collect()
    }
}

fn id(field: &str, text: &str) -> Result<Uuid> {
    text.parse::<kernel::CustomerId>().map(|id| id.0).map_err(|error| error.within(field))
}

impl Work {
    /// Applies it. The second time it changes nothing.
    pub(crate) fn merge(&mut self, merge: &Merge, why: &Why) {
        let moved_from: BTreeSet<Uuid> =
            merge.records.iter().filter_map(|(record, _)| Some(self.records.get(record)?.customer)).collect();
        let concerned: BTreeSet<Uuid> = merge.customers().union(&moved_from).copied().collect();
        for customer in &concerned {
            self.catch_up(*customer);
        }
        for back in &merge.back {
            self.new_aliases.insert(*back, None);
        }
        for id in merge.back.iter().chain([&merge.survivor]) {
            self.bear(*id);
        }
        for (record, customer) in &merge.records {
            self.hand_over(*record, *customer);
        }
        for gone in &merge.gone {
            self.absorb(*gone, merge.survivor, why);
        }
        for customer in concerned {
            self.evaluate_all(customer, why);
        }
    }

    fn hand_over(&mut self, record: Uuid, to: Uuid) {
        let from = self.records.get(&record).map(|record| record.customer);
        if from == Some(to) {
            return;
        }
        if let Some(from) = from.and_then(|from| self.customers.get_mut(&from)) {
            from.records.retain(|id| *id != record);
            from.facts = None;
            from.changed = true;
        }
        let moved = self.records.entry(record).or_insert_with(|| Record::new(to));
        moved.customer = to;
        moved.changed = true;
        self.bear(to);
        if let Some(to) = self.customers.get_mut(&to) {
            to.records.push(record);
            to.facts = None;
            to.changed = true;
        }
    }

    /// The customer is no more: out of everything, and what it still has is the survivor's.
    fn absorb(&mut self, id: Uuid, survivor: Uuid, why: &Why) {
        self.new_aliases.insert(id, Some(survivor));
        if self.customers.get(&id).is_none_or(|known| known.gone) {
            return;
        }
        let Some(mut gone) = self.customers.remove(&id) else { return };
        for record in std::mem::take(&mut gone.records) {
            if let Some(record) = self.records.get_mut(&record) {
                record.customer = survivor;
                record.changed = true;
            }
            if let Some(survivor) = self.customers.get_mut(&survivor) {
                survivor.records.push(record);
            }
        }
        let memberships: Vec<(u32, Time)> = gone.memberships.iter().collect();
        for (part, since) in memberships {
            self.exit(id, &mut gone, part, self.now, why);
            self.keep_earliest(survivor, part, since);
        }
        gone.gone = true;
        gone.changed = true;
        self.customers.insert(id, gone);
        *self.counts.entry(crate::store::members::EVERYBODY).or_default() -= 1;
        if let Some(survivor) = self.customers.get_mut(&survivor) {
            survivor.facts = None;
            survivor.changed = true;
        }
    }

    /// A survivor that was in a part as well has been in it since the earlier of both.
    fn keep_earliest(&mut self, survivor: Uuid, part: u32, since: Time) {
        let Some(known) = self.customers.get_mut(&survivor) else { return };
        if known.memberships.since(part).is_some_and(|own| since < own) {
            known.memberships.insert(part, since);
            if self.catalogue.owner(part).is_some_and(|definition| definition.is_told()) {
                self.memberships.insert((part, survivor), Some(since));
            }
        }
    }
}
