//! What people decide: joining customers, and taking a joining back.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use kernel::{RecordId, Time};

use super::{Evidence, Graph, LinkKey, Missing, Rule, Separation};

impl Graph {
    /// Joins the customers of these records by hand, as later than everything known of them, and lifts what kept them
    /// apart. Answers with the pairs that were lifted and the time they were lifted at.
    ///
    /// # Errors
    /// What has to be loaded first; nothing was changed then.
    pub(crate) fn join(
        &mut self,
        nodes: &[usize],
        cause: &Arc<str>,
        actor: &Arc<str>,
        now: Time,
    ) -> Result<Vec<Separation>, Missing> {
        let missing = self.missing(nodes.iter().copied());
        if !missing.0.is_empty() {
            return Err(missing);
        }
        // Loads what `link` below may ask for, before anything changes.
        self.neighbourhood(nodes)?;
        let members: Vec<Vec<usize>> = nodes.iter().map(|node| self.fellows(*node)).collect();
        let links = members.iter().flatten().flat_map(|node| &self.nodes[*node].links);
        let latest = links.map(|link| self.links[*link].evidence.time).max();
        let time = latest.map_or(now, |latest| now.max(Time(latest.0.saturating_add(1))));
        let mut lifted = Vec::new();
        for (at, side) in members.iter().enumerate() {
            for other in &members[at + 1..] {
                self.lift(side, other, time, &mut lifted);
            }
        }
        let evidence = Evidence { time, cause: cause.clone(), actor: actor.clone() };
        if let Some((first, others)) = nodes.split_first() {
            for other in others {
                self.link(*first, *other, Rule::Manual, evidence.clone())?;
            }
        }
        Ok(lifted)
    }

    /// Takes a joining back: removes its links and sets the sides (a record of each), and what the
    /// links had joined, apart. Answers with the pairs.
    ///
    /// # Errors
    /// What has to be loaded first; nothing was changed then.
    pub(crate) fn undo(&mut self, sides: &[usize], links: &[LinkKey]) -> Result<Vec<Separation>, Missing> {
        let ends = links.iter().flat_map(|key| [key.a, key.b]).filter_map(|record| self.find_record(record));
        let start: Vec<usize> = sides.iter().copied().chain(ends).collect();
        let around = self.neighbourhood(&start)?;
        for key in links {
            self.remove(*key);
        }
        let apart = self.pairs_apart(sides, links);
        for separation in &apart {
            self.apart.add(*separation);
        }
        self.process_again(&around);
        Ok(apart)
    }

    /// Every two sides, and the ends of every link: the same evidence, seen again, must not move a record either.
    fn pairs_apart(&self, sides: &[usize], links: &[LinkKey]) -> Vec<Separation> {
        let records: BTreeSet<RecordId> = sides.iter().map(|side| self.nodes[*side].record).collect();
        let every_two =
            records.iter().flat_map(|a| records.range((Excluded(*a), Unbounded)).map(|b| (*a, *b)));
        let pairs: BTreeSet<_> = every_two.chain(links.iter().map(|key| (key.a, key.b))).collect();
        pairs.into_iter().map(|(a, b)| Separation { a, b, lifted: None }).collect()
    }

    fn fellows(&self, node: usize) -> Vec<usize> {
        self.nodes[node].component.map(|set| self.components[set].clone()).unwrap_or_default()
    }

    fn lift(&mut self, side: &[usize], other: &[usize], time: Time, lifted: &mut Vec<Separation>) {
        let records =
            |nodes: &[usize]| nodes.iter().map(|node| self.nodes[*node].record).collect::<Vec<RecordId>>();
        let (side, other) = (records(side), records(other));
        for a in side {
            let held: Vec<RecordId> = self.apart.of(a, Time::MAX).filter(|b| other.contains(b)).collect();
            for b in held {
                if self.apart.lift(a, b, time) {
                    lifted.push(Separation { a: a.min(b), b: a.max(b), lifted: Some(time) });
                }
            }
        }
    }

    fn remove(&mut self, key: LinkKey) {
        let (Some(x), Some(y)) = (self.find_record(key.a), self.find_record(key.b)) else { return };
        if let Some(link) = self.by_pair.remove(&(x.min(y), x.max(y), key.rule)) {
            for end in [x, y] {
                self.nodes[end].links.retain(|other| *other != link);
            }
            self.links[link].dirty = false;
            self.removed.push(key);
        }
    }
}
