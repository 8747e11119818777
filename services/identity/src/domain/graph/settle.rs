//! After evidence was taken in: who everybody is now, and what of it has to be told.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CustomerId, RecordId};

use super::{Evidence, Graph, Identifier, LinkKey, Verdict};

/// What changed since the last time. Records that were new have been told of nobody and appear in `created` only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Customers all of whose records are new, with their identifiers.
    pub created: Vec<(CustomerId, Vec<Identifier>)>,
    /// Records that left a customer which goes on, or which went elsewhere.
    pub split: Vec<Split>,
    /// Customers that became aliases.
    pub merged: Vec<Merged>,
    /// Links that were refused.
    pub refused: Vec<Refused>,
}

/// Records that went from one customer to others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub from: CustomerId,
    /// Where they are now, each.
    pub records: Vec<(RecordId, CustomerId)>,
}

/// Customers that were joined into one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub survivor: CustomerId,
    pub absorbed: Vec<CustomerId>,
    /// What was theirs.
    pub records: Vec<RecordId>,
    /// The links that joined them.
    pub links: Vec<LinkKey>,
}

/// A link that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub key: LinkKey,
    pub verdict: Verdict,
    pub evidence: Evidence,
    pub identifiers: [Identifier; 2],
    pub customers: [CustomerId; 2],
    /// Of which there would be too many.
    pub namespace: String,
}

impl Graph {
    /// Gives every changed set its customer id and says what changed. `centre` is the strongest record of the event:
    /// records born with it count as its customer's when the joining links of a merge are told from others.
    pub(crate) fn settle(&mut self, centre: Option<usize>) -> Changes {
        let mut changes = Changes::default();
        let sets = self.changed_sets();
        let named: Vec<(usize, CustomerId)> = sets.into_iter().map(|set| (set, self.name(set))).collect();
        let moves = self.moves(&named);
        for ((from, to), records) in moves {
            if self.new_customer(from.0, &named) == Some(to) {
                let at = changes.merged.iter().position(|merged| merged.survivor == to);
                let at = at.unwrap_or_else(|| {
                    changes.merged.push(Merged {
                        survivor: to,
                        absorbed: vec![],
                        records: vec![],
                        links: vec![],
                    });
                    changes.merged.len() - 1
                });
                changes.merged[at].absorbed.push(from);
                changes.merged[at].records.extend(records);
            } else {
                let at = changes.split.iter().position(|split| split.from == from).unwrap_or_else(|| {
                    changes.split.push(Split { from, records: vec![] });
                    changes.split.len() - 1
                });
                changes.split[at].records.extend(records.into_iter().map(|record| (record, to)));
            }
        }
        self.attribute(&mut changes.merged, centre);
        changes.created = self.assign(&named);
        changes.refused = self.take_refused();
        changes
    }

    fn changed_sets(&mut self) -> BTreeSet<usize> {
        let sets = std::mem::take(&mut self.changed).into_iter();
        sets.filter(|set| !self.components[*set].is_empty()).collect()
    }

    /// A set's id: its oldest founder. A set without one makes its oldest record a founder.
    fn name(&mut self, set: usize) -> CustomerId {
        let oldest = |founders: bool| {
            let nodes = self.components[set].iter().copied();
            nodes
                .filter(|node| !founders || self.nodes[*node].founder)
                .min_by_key(|node| self.nodes[*node].record)
        };
        let Some(node) = oldest(true).or_else(|| oldest(false)) else { return CustomerId(uuid::Uuid::nil()) };
        let node = &mut self.nodes[node];
        node.dirty |= !node.founder;
        node.founder = true;
        CustomerId(node.record.0)
    }

    /// Records that change their customer, by from and to.
    fn moves(&self, named: &[(usize, CustomerId)]) -> BTreeMap<(CustomerId, CustomerId), Vec<RecordId>> {
        let mut moves: BTreeMap<_, Vec<RecordId>> = BTreeMap::new();
        for (set, to) in named {
            for node in &self.components[*set] {
                let node = &self.nodes[*node];
                if let Some(from) = node.customer.filter(|from| from != to) {
                    moves.entry((from, *to)).or_default().push(node.record);
                }
            }
        }
        moves.values_mut().for_each(|records| records.sort());
        moves
    }

    /// The customer that a record's set is now, if the set changed.
    fn new_customer(&self, record: uuid::Uuid, named: &[(usize, CustomerId)]) -> Option<CustomerId> {
        let set = self.nodes[self.find_record(RecordId(record))?].component?;
        named.iter().find(|(changed, _)| *changed == set).map(|(_, customer)| *customer)
    }

    /// Finds, among the links that joined, those that joined the sides of each merge.
    fn attribute(&mut self, merged: &mut [Merged], centre: Option<usize>) {
        let mut joined = std::mem::take(&mut self.joined);
        joined.sort_unstable();
        joined.dedup();
        for merge in merged {
            let centre = centre.and_then(|node| self.nodes[node].customer).unwrap_or(merge.survivor);
            let side = |node: usize| self.nodes[node].customer.unwrap_or(centre);
            let is_side = |customer| customer == merge.survivor || merge.absorbed.contains(&customer);
            for link in &joined {
                let link = &self.links[*link];
                let (a, b) = (side(link.ends.0), side(link.ends.1));
                if a != b && is_side(a) && is_side(b) && link.verdict == Some(Verdict::Joined) {
                    merge.links.push(self.key(link));
                }
            }
        }
    }

    /// Makes it so, and says which customers came into being.
    fn assign(&mut self, named: &[(usize, CustomerId)]) -> Vec<(CustomerId, Vec<Identifier>)> {
        let mut created = Vec::new();
        for (set, customer) in named {
            let nodes = &self.components[*set];
            if nodes.iter().all(|node| self.nodes[*node].customer.is_none()) {
                let identifiers = nodes.iter().map(|node| self.nodes[*node].identifier.clone());
                created.push((*customer, identifiers.collect()));
            }
            for node in nodes {
                let node = &mut self.nodes[*node];
                node.dirty |= node.customer != Some(*customer);
                node.customer = Some(*customer);
            }
        }
        created
    }

    fn take_refused(&mut self) -> Vec<Refused> {
        let mut links = std::mem::take(&mut self.refused);
        links.sort_unstable();
        links.dedup();
        links.into_iter().filter_map(|link| self.describe(link)).collect()
    }

    fn describe(&self, link: usize) -> Option<Refused> {
        let link = &self.links[link];
        let verdict = link.verdict.filter(|verdict| *verdict != Verdict::Joined)?;
        let (x, y) = (&self.nodes[link.ends.0], &self.nodes[link.ends.1]);
        let namespace = self.exceeded(x.component?, y.component?).unwrap_or_default().to_owned();
        Some(Refused {
            key: self.key(link),
            verdict,
            evidence: link.evidence.clone(),
            identifiers: [x.identifier.clone(), y.identifier.clone()],
            customers: [x.customer?, y.customer?],
            namespace,
        })
    }
}
