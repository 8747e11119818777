//! Evaluating definitions for a customer: what changes is noted, counted and told.

use std::collections::BTreeSet;

use chassis::fact;
use kernel::{CustomerId, RecordId, Time};
use rules::{Facts, State, View};
use serde_json::Map;
use uuid::Uuid;

use super::{Why, Work};
use crate::domain::catalogue::Target;
use crate::domain::definition::Kind;
use crate::domain::facts::of_customer;
use crate::domain::person::Customer;

impl Work {
    /// Evaluates everything in effect, now.
    pub(crate) fn evaluate_all(&mut self, customer: Uuid, why: &Why) {
        if let Some(known) = self.customers.get_mut(&customer) {
            known.newborn = false;
        }
        let all = (0..self.catalogue.targets.len()).collect();
        self.evaluate(customer, self.now, all, why);
    }

    /// Lets the moments pass at which answers changed by themselves, up to now, each at its own time.
    pub(crate) fn catch_up(&mut self, customer: Uuid) {
        while let Some(known) = self.customers.get_mut(&customer).filter(|c| c.due <= self.now && !c.gone) {
            let at = known.due;
            known.due = Time::MAX;
            known.changed = true;
            let timed = self.catalogue.timed.clone();
            self.evaluate(customer, at, timed, &Why::time());
        }
    }

    /// Evaluates targets at a moment, and those that ask for a segment that changes thereby.
    pub(crate) fn evaluate(&mut self, id: Uuid, at: Time, mut affected: BTreeSet<usize>, why: &Why) {
        if affected.is_empty() {
            return;
        }
        if self.customers.get(&id).is_none_or(|known| known.gone) {
            return;
        }
        let Some(mut customer) = self.customers.remove(&id) else { return };
        let facts = customer.facts.take().unwrap_or_else(|| self.facts_of(&customer));
        let catalogue = self.catalogue.clone();
        let records = std::mem::take(&mut self.records);
        let states: Vec<&State> =
            customer.records.iter().filter_map(|id| records.get(id)).map(|record| &record.state).collect();
        while let Some(target) = affected.pop_first().and_then(|at| catalogue.targets.get(at)) {
            let Some(definition) = catalogue.definitions.get(target.definition) else { continue };
            let (chosen, until) = self.answer((&customer, &facts, &states), target, at);
            if until < customer.due {
                customer.due = until.max(Time(at.0.saturating_add(1)));
                customer.changed = true;
            }
            let changed = self.change(id, &mut customer, target, (chosen, at), why);
            if changed && definition.is_told() {
                affected.extend(catalogue.dependents_of(&definition.key));
            }
        }
        self.records = records;
        customer.facts = Some(facts);
        self.customers.insert(id, customer);
    }

    fn facts_of(&self, customer: &Customer) -> Facts {
        of_customer(customer.records.iter().filter_map(|id| self.records.get(id)).map(|record| &record.facts))
    }

    /// The part that a customer is in, and until when that stays so by itself.
    fn answer(
        &self,
        (customer, facts, states): (&Customer, &Facts, &[&State]),
        target: &Target,
        at: Time,
    ) -> (Option<u32>, Time) {
        let segments =
            |key: &str| self.catalogue.segment(key).is_some_and(|part| customer.memberships.contains(part));
        let view = View { states, facts, segments: &segments, event: None };
        let mut until = Time::MAX;
        for part in &target.parts {
            if part.condition.is_none() {
                return (Some(part.id), until);
            }
            let answer = self.catalogue.plan.evaluate(part.clause, &view, at, &self.zone);
            until = until.min(answer.until.unwrap_or(Time::MAX));
            if answer.holds {
                return (Some(part.id), until);
            }
        }
        (None, until)
    }

    fn change(
        &mut self,
        id: Uuid,
        customer: &mut Customer,
        target: &Target,
        (chosen, at): (Option<u32>, Time),
        why: &Why,
    ) -> bool {
        let mut changed = false;
        for part in &target.ids {
            let wanted = chosen == Some(*part);
            if customer.memberships.contains(*part) == wanted {
                continue;
            }
            changed = true;
            if wanted {
                self.enter(id, customer, *part, at, why);
            } else {
                self.exit(id, customer, *part, at, why);
            }
        }
        changed
    }

    fn enter(&mut self, id: Uuid, customer: &mut Customer, part: u32, at: Time, why: &Why) {
        customer.memberships.insert(part, at);
        customer.changed = true;
        self.note(id, customer, (part, Some(at)), at, why);
    }

    /// Ends a membership.
    pub(crate) fn exit(&mut self, id: Uuid, customer: &mut Customer, part: u32, at: Time, why: &Why) {
        customer.memberships.remove(part);
        customer.changed = true;
        self.note(id, customer, (part, None), at, why);
    }

    /// Counts, lists and tells a change.
    fn note(
        &mut self,
        id: Uuid,
        customer: &Customer,
        (part, since): (u32, Option<Time>),
        at: Time,
        why: &Why,
    ) {
        *self.counts.entry(part).or_default() += if since.is_some() { 1 } else { -1 };
        let catalogue = self.catalogue.clone();
        let Some(definition) = catalogue.owner(part).filter(|definition| definition.is_told()) else {
            return;
        };
        self.memberships.insert((part, id), since);
        self.tell(
            id,
            customer,
            (definition.kind, &definition.key, &definition.name),
            (since.is_some(), at),
            why,
        );
    }

    /// Publishes that a customer came into a segment or left it.
    pub(crate) fn tell(
        &mut self,
        id: Uuid,
        customer: &Customer,
        (kind, key, name): (Kind, &str, &str),
        (entered, at): (bool, Time),
        why: &Why,
    ) {
        let mut properties = Map::new();
        let event = match (kind, entered) {
            (Kind::Rule, true) => "rule.entered",
            (Kind::Rule, false) => "rule.exited",
            (_, true) => "segment.entered",
            (_, false) => "segment.exited",
        };
        if kind == Kind::Rule {
            properties.insert("rule".to_owned(), key.into());
        } else {
            properties.insert("segment".to_owned(), key.into());
            properties.insert("name".to_owned(), name.into());
        }
        if let Some(reason) = why.reason {
            properties.insert("reason".to_owned(), reason.into());
        }
        let record = why.record.or_else(|| customer.records.first().copied()).unwrap_or(id);
        let subject = (CustomerId(id), RecordId(record));
        match fact::new(&self.ids, event, subject, at, &why.cause, properties) {
            Ok(fact) => self.facts.push(fact),
            Err(error) => tracing::warn!(%error, key, "a change of membership is not told"),
        }
    }

    /// Takes a customer out of a segment whose definition is gone.
    pub(crate) fn leave_deleted(&mut self, id: Uuid, part: u32, named: (Kind, &str, &str), why: &Why) {
        self.memberships.insert((part, id), None);
        let Some(mut customer) = self.customers.remove(&id) else { return };
        if customer.memberships.remove(part) {
            customer.changed = true;
        }
        self.tell(id, &customer, named, (false, self.now), why);
        self.customers.insert(id, customer);
    }

    /// Has what left every window written off.
    pub(crate) fn expire(&mut self, id: Uuid) {
        let records = self.customers.get(&id).map(|customer| customer.records.clone()).unwrap_or_default();
        for record in records {
            if let Some(record) = self.records.get_mut(&record) {
                let before = record.state.clone();
                self.catalogue.plan.expire(&mut record.state, self.now);
                record.changed |= before != record.state;
            }
        }
    }
}
