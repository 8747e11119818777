//! The part of the identity graph that a piece of work needs: records, the links between them, and who that makes them.
//!
//! Whatever order evidence arrives in, the outcome is that of processing all links in canonical order (time of the
//! evidence, its cause, the pair): each joins two sets of records unless that would break a limit or join what a person
//! set apart. [`Graph::link`] keeps to that without processing everything again: it joins at once where no order could
//! have refused, decides alone what is later than everything around it, and otherwise processes the neighbourhood again.
//!
//! A customer's id is the record id of the record it was founded with. A set of records goes by the oldest of its
//! founders; a set without one (left over by a split) makes its oldest record a founder. So ids are stable, and an id
//! once published leads for ever to the customer of its founder.

mod apart;
mod canonical;
mod explain;
mod insert;
mod manual;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kernel::{CustomerId, RecordId, Time};

use super::{Identifier, Policy};
pub(crate) use apart::{Apart, Separation};
pub(crate) use explain::Step;
pub(crate) use settle::{Changes, Merged, Refused, Split};

/// Why a link exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// Two identifiers were seen on one event.
    SharedIdentifier,
    /// A person said so; limits do not hold it back.
    Manual,
}

/// What was seen, when and by whom. Sorts in canonical order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Evidence {
    pub time: Time,
    /// Id of the event, or of the merge for [`Rule::Manual`].
    pub cause: Arc<str>,
    pub actor: Arc<str>,
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Joined,
    LimitExceeded,
    KeptApart,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub identifier: Identifier,
    pub record: RecordId,
    pub customer: CustomerId,
    /// Whether a customer was founded with it: the one whose id is this record's.
    pub founder: bool,
    pub created_at: Time,
}

/// Names a link; `a` < `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkKey {
    pub a: RecordId,
    pub b: RecordId,
    pub rule: Rule,
}

impl LinkKey {
    pub(crate) fn new(x: RecordId, y: RecordId, rule: Rule) -> Self {
        Self { a: x.min(y), b: x.max(y), rule }
    }
}

/// A link as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredLink {
    pub key: LinkKey,
    pub evidence: Evidence,
    pub verdict: Verdict,
}

/// Customers whose records and links have to be loaded before the work can go on; nothing was changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing(pub BTreeSet<CustomerId>);

/// A record in memory.
#[derive(Debug)]
struct Node {
    identifier: Identifier,
    record: RecordId,
    /// As last settled; `None` until then.
    customer: Option<CustomerId>,
    founder: bool,
    created_at: Time,
    limit: usize,
    /// The set it belongs to; `None` while its customer is not loaded.
    component: Option<usize>,
    links: Vec<usize>,
    dirty: bool,
}

/// A link in memory.
#[derive(Debug)]
struct Link {
    ends: (usize, usize),
    rule: Rule,
    evidence: Evidence,
    /// `None` until it was decided for the first time.
    verdict: Option<Verdict>,
    dirty: bool,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Graph {
    policy: Arc<Policy>,
    apart: Apart,
    nodes: Vec<Node>,
    links: Vec<Link>,
    components: Vec<Vec<usize>>,
    by_identifier: HashMap<Identifier, usize>,
    by_record: HashMap<RecordId, usize>,
    by_pair: HashMap<(usize, usize, Rule), usize>,
    /// Sets that changed since the last [`Graph::settle`].
    changed: Vec<usize>,
    /// Links that have joined since then.
    joined: Vec<usize>,
    /// Links that were refused since then.
    refused: Vec<usize>,
    removed: Vec<LinkKey>,
}

impl Graph {
    pub(crate) fn new(policy: Arc<Policy>, apart: Apart) -> Self {
        Self {
            policy,
            apart,
            nodes: Vec::new(),
            links: Vec::new(),
            components: Vec::new(),
            by_identifier: HashMap::new(),
            by_record: HashMap::new(),
            by_pair: HashMap::new(),
            changed: Vec::new(),
            joined: Vec::new(),
            refused: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// The record of an identifier, if it is here.
    pub(crate) fn find(&self, identifier: &Identifier) -> Option<usize> {
        self.by_identifier.get(identifier).copied()
    }

    pub(crate) fn find_record(&self, record: RecordId) -> Option<usize> {
        self.by_record.get(&record).copied()
    }

    pub(crate) fn record_of(&self, node: usize) -> RecordId {
        self.nodes[node].record
    }

    /// As last settled.
    pub(crate) fn customer_of(&self, node: usize) -> Option<CustomerId> {
        self.nodes[node].customer
    }

    pub(crate) fn identifier_of(&self, node: usize) -> &Identifier {
        &self.nodes[node].identifier
    }

    /// Whether everything that touches the record's customer is here.
    pub(crate) fn is_complete(&self, node: usize) -> bool {
        self.nodes[node].component.is_some()
    }

    /// The evidence of an automatic link, if it is here.
    pub(crate) fn evidence(&self, x: usize, y: usize) -> Option<&Evidence> {
        let link = self.by_pair.get(&(x.min(y), x.max(y), Rule::SharedIdentifier))?;
        Some(&self.links[*link].evidence)
    }

    /// Adds a record that is stored; one that is here already stays as it is.
    pub(crate) fn insert(&mut self, stored: StoredRecord) -> usize {
        if let Some(node) = self.find(&stored.identifier) {
            return node;
        }
        let StoredRecord { identifier, record, customer, founder, created_at } = stored;
        let limit = self.policy.limit(&identifier.namespace);
        let customer = Some(customer);
        self.add(Node {
            identifier,
            record,
            customer,
            founder,
            created_at,
            limit,
            component: None,
            links: Vec::new(),
            dirty: false,
        })
    }

    /// Adds a record that was never seen before.
    pub(crate) fn create(&mut self, identifier: Identifier, record: RecordId, created_at: Time) -> usize {
        let limit = self.policy.limit(&identifier.namespace);
        let component = Some(self.components.len());
        let node = self.add(Node {
            identifier,
            record,
            customer: None,
            founder: false,
            created_at,
            limit,
            component,
            links: Vec::new(),
            dirty: true,
        });
        self.changed.push(self.components.len());
        self.components.push(vec![node]);
        node
    }

    /// Says that all records and links of these customers have been added.
    pub(crate) fn complete(&mut self, customers: &BTreeSet<CustomerId>) {
        let mut members: HashMap<CustomerId, Vec<usize>> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(customer) =
                node.customer.filter(|of| node.component.is_none() && customers.contains(of))
            {
                members.entry(customer).or_default().push(at);
            }
        }
        for nodes in members.into_values() {
            for node in &nodes {
                self.nodes[*node].component = Some(self.components.len());
            }
            self.components.push(nodes);
        }
    }

    /// Records that are new or belong to somebody else now, and links that are new or changed.
    pub(crate) fn dirty(&self) -> (Vec<StoredRecord>, Vec<StoredLink>) {
        let records = self.nodes.iter().filter(|node| node.dirty).filter_map(Node::stored).collect();
        let links = self.links.iter().filter(|link| link.dirty).map(|link| self.stored(link)).collect();
        (records, links)
    }

    /// Everything here, changed or not.
    pub(crate) fn all(&self) -> (impl Iterator<Item = StoredRecord>, impl Iterator<Item = StoredLink>) {
        (self.nodes.iter().filter_map(Node::stored), self.links.iter().map(|link| self.stored(link)))
    }

    /// Links that are gone.
    pub(crate) fn removed(&self) -> &[LinkKey] {
        &self.removed
    }

    fn add(&mut self, node: Node) -> usize {
        let at = self.nodes.len();
        self.by_identifier.insert(node.identifier.clone(), at);
        self.by_record.insert(node.record, at);
        self.nodes.push(node);
        at
    }

    fn key(&self, link: &Link) -> LinkKey {
        LinkKey::new(self.nodes[link.ends.0].record, self.nodes[link.ends.1].record, link.rule)
    }

    fn stored(&self, link: &Link) -> StoredLink {
        StoredLink {
            key: self.key(link),
            evidence: link.evidence.clone(),
            verdict: link.verdict.unwrap_or(Verdict::Joined),
        }
    }
}

impl Node {
    fn stored(&self) -> Option<StoredRecord> {
        Some(StoredRecord {
            identifier: self.identifier.clone(),
            record: self.record,
            customer: self.customer?,
            founder: self.founder,
            created_at: self.created_at,
        })
    }
}
