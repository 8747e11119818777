//! The partition, found without any cleverness.

use std::collections::BTreeSet;

use super::world::Seen;
use crate::domain::{Identifier, Policy};

pub(super) type Partition = BTreeSet<BTreeSet<Identifier>>;

/// All links, sorted, one by one, over sets of identifiers.
pub(super) fn process_everything(policy: &Policy, all: &[Seen]) -> Partition {
    let mut links = Vec::new();
    for seen in all {
        let identifiers = seen.sorted(policy);
        for other in &identifiers[1..] {
            let strongest = &identifiers[0];
            let pair = (strongest.min(other).clone(), strongest.max(other).clone());
            links.push((seen.time, seen.id.clone(), pair));
        }
    }
    links.sort();
    let mut known = BTreeSet::new();
    links.retain(|(_, _, pair)| known.insert(pair.clone()));
    let mut sets = singles(all);
    for (_, _, (a, b)) in links {
        let (first, second) = (set_of(&sets, &a), set_of(&sets, &b));
        let both: BTreeSet<Identifier> = first.union(&second).cloned().collect();
        let count = |set: &BTreeSet<Identifier>, namespace: &str| {
            set.iter().filter(|one| &*one.namespace == namespace).count()
        };
        let fits = |one: &Identifier| {
            let namespace = &one.namespace;
            count(&second, namespace) == 0 || count(&both, namespace) <= policy.limit(namespace)
        };
        if first == second || first.iter().all(fits) {
            sets.remove(&first);
            sets.remove(&second);
            sets.insert(both);
        }
    }
    sets
}

/// Everything seen together is together.
pub(super) fn plain_union(all: &[Seen]) -> Partition {
    let mut sets = Partition::new();
    for seen in all {
        let mut joined: BTreeSet<Identifier> = seen.identifiers.iter().cloned().collect();
        let touched: Vec<_> = sets.iter().filter(|set| !set.is_disjoint(&joined)).cloned().collect();
        for set in touched {
            sets.remove(&set);
            joined.extend(set);
        }
        sets.insert(joined);
    }
    sets
}

fn singles(all: &[Seen]) -> Partition {
    all.iter().flat_map(|seen| &seen.identifiers).map(|one| BTreeSet::from([one.clone()])).collect()
}

fn set_of(sets: &Partition, identifier: &Identifier) -> BTreeSet<Identifier> {
    sets.iter().find(|set| set.contains(identifier)).cloned().unwrap()
}
