//! Tables in memory, and a graph made anew for every sighting that loads only what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel::{CustomerId, RecordId, Time};
use uuid::Uuid;

use super::super::{Apart, Changes, Evidence, Graph, LinkKey, Merged, Missing, Rule, Separation};
use super::super::{StoredLink, StoredRecord, Verdict};
use super::oracle::Partition;
use crate::domain::{Identifier, Policy};

/// Identifiers on one event.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub id: String,
    pub time: i64,
    pub identifiers: Vec<Identifier>,
}

impl Seen {
    pub(super) fn new(id: &str, time: i64, identifiers: &[(&str, &str)]) -> Self {
        let identifiers =
            identifiers.iter().map(|(namespace, value)| Identifier::new(namespace, value)).collect();
        Self { id: id.to_owned(), time, identifiers }
    }

    pub(super) fn sorted(&self, policy: &Policy) -> Vec<Identifier> {
        let mut sorted = self.identifiers.clone();
        sorted.sort_by(|a, b| policy.compare(a, b));
        sorted
    }

    pub(super) fn strongest_only(&self) -> Self {
        Self { identifiers: self.identifiers[..1].to_vec(), ..self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub policy: Arc<Policy>,
    records: BTreeMap<Identifier, StoredRecord>,
    links: BTreeMap<LinkKey, StoredLink>,
    apart: Vec<Separation>,
    made: u128,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        (&self.records, &self.links, &self.apart, self.made)
            == (&other.records, &other.links, &other.apart, other.made)
    }
}

impl World {
    /// Limits that are met often.
    pub(super) fn strict() -> Self {
        Self::with(&[("user_id", 1), ("phone", 1), ("email", 2), ("device_id", 9), ("anonymous_id", 2)])
    }

    /// No limit is ever met.
    pub(super) fn generous() -> Self {
        Self::with(
            &["user_id", "phone", "email", "device_id", "anonymous_id"].map(|namespace| (namespace, 99)),
        )
    }

    fn with(limits: &[(&str, usize)]) -> Self {
        let policy = Arc::new(Policy::with_limits(limits));
        Self { policy, records: BTreeMap::new(), links: BTreeMap::new(), apart: Vec::new(), made: 0 }
    }

    pub(super) fn see(&mut self, seen: &Seen) -> (RecordId, CustomerId, Changes) {
        let mut graph = self.graph();
        let nodes: Vec<usize> =
            seen.sorted(&self.policy).iter().map(|one| self.node(&mut graph, one)).collect();
        let evidence =
            Evidence { time: Time(seen.time), cause: seen.id.as_str().into(), actor: "system".into() };
        for other in &nodes[1..] {
            while let Err(missing) = graph.link(nodes[0], *other, Rule::SharedIdentifier, evidence.clone()) {
                self.load(&mut graph, missing);
            }
        }
        let changes = graph.settle(Some(nodes[0]));
        self.save(&graph);
        (graph.record_of(nodes[0]), graph.customer_of(nodes[0]).unwrap(), changes)
    }

    pub(super) fn join(&mut self, merge: &str, customers: &[CustomerId]) -> Merged {
        let mut graph = self.graph();
        let live: BTreeSet<CustomerId> = customers.iter().map(|id| self.live(*id)).collect();
        self.load(&mut graph, Missing(live.clone()));
        let nodes: Vec<usize> = live.iter().map(|id| graph.find_record(RecordId(id.0)).unwrap()).collect();
        let lifted = loop {
            match graph.join(&nodes, &merge.into(), &"小陈".into(), Time(3)) {
                Ok(lifted) => break lifted,
                Err(missing) => self.load(&mut graph, missing),
            }
        };
        for lift in lifted {
            let held = |pair: &&mut Separation| (pair.a, pair.b, pair.lifted) == (lift.a, lift.b, None);
            self.apart.iter_mut().filter(held).for_each(|pair| pair.lifted = lift.lifted);
        }
        let mut changes = graph.settle(None);
        assert!(changes.split.is_empty() && changes.merged.len() == 1, "{changes:?}");
        self.save(&graph);
        changes.merged.remove(0)
    }

    pub(super) fn undo(&mut self, merged: &Merged) {
        let mut graph = self.graph();
        let sides: Vec<CustomerId> =
            [merged.survivor].into_iter().chain(merged.absorbed.iter().copied()).collect();
        // As the service does: both ends of a link may have gone elsewhere since.
        let ends = merged.links.iter().flat_map(|key| [self.owner(key.a), self.owner(key.b)]);
        self.load(&mut graph, Missing(sides.iter().map(|side| self.live(*side)).chain(ends).collect()));
        let nodes: Vec<usize> =
            sides.iter().map(|side| graph.find_record(RecordId(side.0)).unwrap()).collect();
        let apart = loop {
            match graph.undo(&nodes, &merged.links) {
                Ok(apart) => break apart,
                Err(missing) => self.load(&mut graph, missing),
            }
        };
        self.apart.extend(apart);
        graph.settle(None);
        self.save(&graph);
    }

    pub(super) fn chain_length(&self, a: CustomerId, b: CustomerId) -> usize {
        let mut graph = self.graph();
        self.load(&mut graph, Missing(BTreeSet::from([self.live(a), self.live(b)])));
        let node = |id: CustomerId| graph.find_record(RecordId(id.0)).unwrap();
        graph.chain(node(a), node(b)).len()
    }

    pub(super) fn knows(&self, seen: &Seen) -> bool {
        seen.identifiers.iter().all(|identifier| self.records.contains_key(identifier))
    }

    pub(super) fn partition(&self) -> Partition {
        let mut sets: BTreeMap<CustomerId, BTreeSet<Identifier>> = BTreeMap::new();
        for record in self.records.values() {
            sets.entry(record.customer).or_default().insert(record.identifier.clone());
        }
        sets.into_values().collect()
    }

    /// The partition that all stored links make when they are decided from nothing.
    pub(super) fn processed_anew(&self) -> Partition {
        let mut graph = self.graph();
        self.load(&mut graph, Missing(self.owners().into_values().collect()));
        let all: Vec<usize> = (0..self.records.len()).collect();
        graph.process_again(&all);
        let sets = graph.components.iter().filter(|set| !set.is_empty());
        sets.map(|set| set.iter().map(|node| graph.identifier_of(*node).clone()).collect()).collect()
    }

    pub(super) fn owners(&self) -> BTreeMap<RecordId, CustomerId> {
        self.records.values().map(|record| (record.record, record.customer)).collect()
    }

    pub(super) fn owner(&self, record: RecordId) -> CustomerId {
        self.owners()[&record]
    }

    pub(super) fn founders(&self) -> BTreeSet<RecordId> {
        self.records.values().filter(|record| record.founder).map(|record| record.record).collect()
    }

    /// The links, their evidence, and whether they join.
    pub(super) fn links(&self) -> BTreeMap<LinkKey, (Evidence, bool)> {
        let told = |link: &StoredLink| (link.evidence.clone(), link.verdict == Verdict::Joined);
        self.links.iter().map(|(key, link)| (*key, told(link))).collect()
    }

    /// Where an id leads.
    pub(super) fn live(&self, id: CustomerId) -> CustomerId {
        assert!(self.founders().contains(&RecordId(id.0)), "{id} was never published");
        self.owner(RecordId(id.0))
    }

    fn graph(&self) -> Graph {
        Graph::new(self.policy.clone(), Apart::new(self.apart.iter().copied()))
    }

    fn node(&mut self, graph: &mut Graph, identifier: &Identifier) -> usize {
        match self.records.get(identifier) {
            Some(record) => graph.insert(record.clone()),
            None => {
                self.made += 1;
                graph.create(identifier.clone(), RecordId(Uuid::from_u128(self.made)), Time(0))
            }
        }
    }

    fn load(&self, graph: &mut Graph, missing: Missing) {
        assert!(!missing.0.is_empty());
        let theirs = |record: &&StoredRecord| missing.0.contains(&record.customer);
        let records: BTreeSet<RecordId> =
            self.records.values().filter(theirs).map(|record| record.record).collect();
        let touches = |link: &&StoredLink| records.contains(&link.key.a) || records.contains(&link.key.b);
        let links: Vec<&StoredLink> = self.links.values().filter(touches).collect();
        for record in self.records.values() {
            let ends = links.iter().any(|link| link.key.a == record.record || link.key.b == record.record);
            if ends || records.contains(&record.record) {
                graph.insert(record.clone());
            }
        }
        for link in links {
            graph.insert_link(link.clone());
        }
        graph.complete(&missing.0);
    }

    fn save(&mut self, graph: &Graph) {
        let (records, links) = graph.dirty();
        self.records.extend(records.into_iter().map(|record| (record.identifier.clone(), record)));
        for key in graph.removed() {
            self.links.remove(key);
        }
        self.links.extend(links.into_iter().map(|link| (link.key, link)));
    }
}
