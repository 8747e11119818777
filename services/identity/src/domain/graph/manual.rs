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
        let sides: Vec<BTreeSet<RecordId>> = nodes.iter().map(|node| self.fellows(*node)).collect();
        let time = self.after_all_that_is_known(&sides).map_or(now, |known| now.max(known));
        let lifted = self.lift(&sides, time);
        let evidence = Evidence { time, cause: cause.clone(), actor: actor.clone() };
        if let Some((first, others)) = nodes.split_first() {
            for other in others {
                self.link(*first, *other, Rule::Manual, evidence.clone())?;
            }
        }
        Ok(lifted)
    }

    /// Takes a joining back: removes its links and sets the sides (a record of each), and what the
    /// links had joined, apart. Answers with the pairs. All records that the links name must be here.
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

    /// The records of its customer.
    fn fellows(&self, node: usize) -> BTreeSet<RecordId> {
        let set = self.nodes[node].component.map(|set| &self.components[set]);
        set.into_iter().flatten().map(|node| self.nodes[*node].record).collect()
    }

    /// After every link of these customers, and not before what was lifted between them: an earlier joining may have
    /// been dated after a link that is gone since.
    fn after_all_that_is_known(&self, sides: &[BTreeSet<RecordId>]) -> Option<Time> {
        let records = || sides.iter().flatten();
        let links =
            records().filter_map(|record| self.find_record(*record)).flat_map(|node| &self.nodes[node].links);
        let after_links = links.map(|link| Time(self.links[*link].evidence.time.0.saturating_add(1)));
        let everybody: BTreeSet<RecordId> = records().copied().collect();
        after_links.chain(records().filter_map(|record| self.apart.lifted(*record, &everybody))).max()
    }

    fn lift(&mut self, sides: &[BTreeSet<RecordId>], time: Time) -> Vec<Separation> {
        let mut lifted = Vec::new();
        for (at, side) in sides.iter().enumerate() {
            for (a, other) in side.iter().flat_map(|a| sides[at + 1..].iter().map(move |other| (*a, other))) {
                let held: Vec<RecordId> = self.apart.of(a, Time::MAX).filter(|b| other.contains(b)).collect();
                for b in held {
                    if self.apart.lift(a, b, time) {
                        lifted.push(Separation { a: a.min(b), b: a.max(b), lifted: Some(time) });
                    }
                }
            }
        }
        lifted
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
