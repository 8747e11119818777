//! One piece of work in one workspace: loads what the graph asks for, takes evidence in, writes what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use kernel::{CustomerId, RecordId, Result, Workspace};
use prost::Message as _;
use sea_orm::DatabaseTransaction;
use wire::event::Event;

use crate::domain::{Changes, Evidence, Graph, Identifier, LinkKey, Missing, Rule};
use crate::engine::{Done, Engine};
use crate::facts::{self, Origin};
use crate::memory::{Learned, Memory};
use crate::store::conflict::Conflict;
use crate::store::merge::Merge;
use crate::store::{conflict, load, merge, save};

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub engine: &'a Engine,
    pub db: &'a DatabaseTransaction,
    pub workspace: Workspace,
    pub graph: Graph,
    memory: &'a mut Memory,
    merges: Vec<Merge>,
    conflicts: Vec<Conflict>,
    reported: Vec<String>,
    outgoing: Vec<(Bytes, Bytes)>,
}

/// Identifiers that were seen together.
#[derive(Debug)]
pub(crate) struct Sighting {
    /// Strongest first, each once.
    pub identifiers: Vec<Identifier>,
    /// Those that name nobody.
    pub blocked: Vec<Identifier>,
    pub evidence: Evidence,
}

/// To whom a sighting belongs.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub record: RecordId,
    pub customer: CustomerId,
    pub changes: Changes,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        db: &'a DatabaseTransaction,
        workspace: Workspace,
        memory: &'a mut Memory,
        graph: Graph,
    ) -> Self {
        let (merges, conflicts, reported, outgoing) = Default::default();
        Self { engine, db, workspace, graph, memory, merges, conflicts, reported, outgoing }
    }

    /// Reads the identifiers of an event or a call.
    pub(crate) fn sighting(&self, given: &[wire::event::Identifier], evidence: Evidence) -> Sighting {
        let (mut identifiers, mut blocked) = (Vec::with_capacity(given.len()), Vec::new());
        for one in given {
            match self.engine.policy.read(&one.namespace, &one.value) {
                Ok(identifier) => identifiers.push(identifier),
                Err(nobody) => blocked.push(nobody),
            }
        }
        if identifiers.len() > 1 {
            identifiers.sort_by(|a, b| self.engine.policy.compare(a, b));
            identifiers.dedup();
        }
        Sighting { identifiers, blocked, evidence }
    }

    /// Brings in, with few queries, what resolving all of these is likely to need.
    pub(crate) async fn prepare(&mut self, sightings: &[Sighting]) -> Result<()> {
        let mut unknown = BTreeSet::new();
        for identifier in sightings.iter().flat_map(|sighting| &sighting.identifiers) {
            if self.graph.find(identifier).is_none() {
                match self.memory.records.get(identifier) {
                    Some(record) => {
                        self.graph.insert(record.clone());
                    }
                    None => {
                        unknown.insert(identifier.clone());
                    }
                }
            }
        }
        let unknown: Vec<Identifier> = unknown.into_iter().collect();
        for record in load::by_identifiers(self.db, &self.workspace, &unknown).await? {
            self.graph.insert(record);
        }
        let mut customers = BTreeSet::new();
        for sighting in sightings {
            let Some((strongest, others)) = sighting.identifiers.split_first() else { continue };
            for other in others {
                let pair = (self.graph.find(strongest), self.graph.find(other));
                let known = matches!(pair, (Some(x), Some(y)) if self.is_known(x, y, &sighting.evidence));
                if !known {
                    let incomplete =
                        [pair.0, pair.1].into_iter().flatten().filter(|x| !self.graph.is_complete(*x));
                    customers.extend(incomplete.filter_map(|node| self.graph.customer_of(node)));
                }
            }
        }
        self.load(Missing(customers)).await
    }

    /// Finds or creates the customer. [`Work::prepare`] has seen the sighting; it has at least one identifier.
    pub(crate) async fn resolve(&mut self, sighting: &Sighting) -> Result<Option<Resolved>> {
        self.report(sighting);
        let nodes: Vec<usize> =
            sighting.identifiers.iter().map(|one| self.find_or_create(one, sighting)).collect();
        let Some((centre, others)) = nodes.split_first() else { return Ok(None) };
        for other in others {
            if !self.is_known(*centre, *other, &sighting.evidence) {
                let (rule, evidence) = (Rule::SharedIdentifier, &sighting.evidence);
                while let Err(missing) = self.graph.link(*centre, *other, rule, evidence.clone()) {
                    self.load(missing).await?;
                }
            }
        }
        let changes = self.graph.settle(Some(*centre));
        let customer = self.graph.customer_of(*centre);
        let record = self.graph.record_of(*centre);
        Ok(customer.map(|customer| Resolved { record, customer, changes }))
    }

    fn find_or_create(&mut self, identifier: &Identifier, sighting: &Sighting) -> usize {
        self.graph.find(identifier).unwrap_or_else(|| {
            self.graph.create(identifier.clone(), RecordId(self.engine.ids.next()), sighting.evidence.time)
        })
    }

    /// Whether evidence for the pair is known that is not later.
    fn is_known(&mut self, x: usize, y: usize, evidence: &Evidence) -> bool {
        if let Some(known) = self.graph.evidence(x, y) {
            return known <= evidence;
        }
        let key = LinkKey::new(self.graph.record_of(x), self.graph.record_of(y), Rule::SharedIdentifier);
        self.memory.pairs.get(&(key.a, key.b)).is_some_and(|known| known <= evidence)
    }

    /// Loads what the graph asked for.
    pub(crate) async fn load(&mut self, missing: Missing) -> Result<()> {
        if missing.0.is_empty() {
            return Ok(());
        }
        load::complete(self.db, &self.workspace, &mut self.graph, &missing.0).await
    }

    /// Enters what changed in the books and publishes the facts of it.
    pub(crate) fn tell(&mut self, changes: Changes, origin: &Origin) -> Result<()> {
        for refused in &changes.refused {
            self.conflicts.push(facts::conflict(self.engine, refused));
        }
        let told = facts::facts(self.engine, changes, origin)?;
        self.merges.extend(told.merges);
        for fact in &told.events {
            self.publish(fact);
        }
        Ok(())
    }

    fn report(&mut self, sighting: &Sighting) {
        for nobody in &sighting.blocked {
            let conflict = facts::blocked(self.engine, nobody, &sighting.evidence);
            if self.memory.reported.get(&conflict.subject).is_none()
                && !self.reported.contains(&conflict.subject)
            {
                self.reported.push(conflict.subject.clone());
                self.conflicts.push(conflict);
            }
        }
    }

    fn publish(&mut self, event: &Event) {
        let key = Bytes::copy_from_slice(event.customer_id.as_bytes());
        self.outgoing.push((key, event.encode_to_vec().into()));
    }

    /// Publishes an event of the raw stream with its customer and record.
    pub(crate) fn publish_resolved(&mut self, event: &Event, resolved: &Resolved) {
        let customer_id = resolved.customer.to_string();
        let key = Bytes::copy_from_slice(customer_id.as_bytes());
        let mut payload = event.encode_to_vec();
        // Encoded messages that follow each other are read as one, the later fields winning.
        let ids = Event { customer_id, record_id: resolved.record.to_string(), ..Event::default() };
        payload.extend(ids.encode_to_vec());
        self.outgoing.push((key, payload.into()));
    }

    /// The merges so far, oldest first.
    pub(crate) fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// Writes everything, each table once.
    pub(crate) async fn finish(self) -> Result<Done> {
        let Self { db, workspace, graph, memory, merges, conflicts, reported, outgoing, .. } = self;
        let (records, links) = graph.dirty();
        save::records(db, &workspace, &records).await?;
        save::links(db, &workspace, &links).await?;
        save::remove(db, &workspace, graph.removed()).await?;
        merge::add(db, &workspace, &merges).await?;
        conflict::add(db, &workspace, &conflicts).await?;
        let (all_records, all_links) = graph.all();
        let mut learned = Learned { records, links, reported };
        learned.records.extend(all_records.filter(|record| memory.records.get(&record.identifier).is_none()));
        learned.links.extend(all_links.filter(|link| memory.pairs.get(&(link.key.a, link.key.b)).is_none()));
        learned.links.retain(|link| link.key.rule == Rule::SharedIdentifier);
        Ok(Done { workspace, learned, outgoing })
    }
}

/// Evidence of an event.
pub(crate) fn evidence(time: kernel::Time, cause: &str, actor: &str) -> Evidence {
    Evidence { time, cause: Arc::from(cause), actor: Arc::from(actor) }
}
