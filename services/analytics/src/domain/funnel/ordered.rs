//! Chains with anything in between, in one pass.

use super::{Hit, Reach, Rule};

/// For each length, the chain of that length that starts last: only its start decides what the window still admits,
/// so that no other chain of the length can come further.
#[derive(Debug)]
pub(super) struct Chains {
    /// By length − 1.
    ends: Vec<Option<End>>,
    /// Hits that once ended a chain; chains share their beginnings.
    links: Vec<Link>,
}

/// The last hit of a chain.
#[derive(Clone, Copy, Debug)]
struct End {
    /// When the chain starts.
    start: i64,
    /// Its place among the links.
    link: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    time: i64,
    /// The caller's handle of the hit.
    at: u64,
    /// The hit before; means nothing for the first of a chain.
    before: u32,
}

impl Chains {
    pub(super) fn new(steps: usize) -> Self {
        Self { ends: vec![None; steps], links: Vec::new() }
    }

    pub(super) fn run(&mut self, rule: &Rule, hits: &[Hit], reach: &mut Reach) {
        self.ends.fill(None);
        self.links.clear();
        for hit in hits {
            // From the last step down, so that one event does not take two steps of one chain.
            let mut steps = hit.steps;
            while steps != 0 {
                let step = steps.ilog2() as usize;
                steps &= !(1 << step);
                if self.advance(rule, hit, step) && step + 1 > reach.depth {
                    self.report(step, reach);
                    if reach.depth == rule.steps {
                        return;
                    }
                }
            }
        }
        if let Some(Some(end)) = reach.depth.checked_sub(1).map(|last| self.ends[last]) {
            reach.latest_start = end.start;
        }
    }

    /// Makes the chain that ends with `hit` at `step`, if there is one and it starts later than the one known.
    #[inline]
    fn advance(&mut self, rule: &Rule, hit: &Hit, step: usize) -> bool {
        let (start, before) = match step.checked_sub(1).map(|before| self.ends[before]) {
            None if rule.starts(hit) => (hit.time, 0),
            Some(Some(before)) if rule.in_window(before.start, hit.time) => (before.start, before.link),
            _ => return false,
        };
        if self.ends[step].is_some_and(|known| known.start >= start) {
            return false;
        }
        self.ends[step] = Some(End { start, link: self.links.len() as u32 });
        self.links.push(Link { time: hit.time, at: hit.at, before });
        true
    }

    fn report(&self, step: usize, reach: &mut Reach) {
        let Some(end) = self.ends[step] else { return };
        reach.depth = step + 1;
        reach.latest_start = end.start;
        reach.times.clear();
        reach.times.resize(reach.depth, end.start);
        let mut at = end.link;
        for time in reach.times.iter_mut().rev() {
            let link = self.links[at as usize];
            (*time, reach.first, at) = (link.time, link.at, link.before);
        }
    }
}
