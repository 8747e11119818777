//! Chains with anything in between, in one pass.

use super::{Hit, MAX_STEPS, Reach, Rule};

/// For each length, the chain of that length that starts last: only its start decides what the window still admits,
/// so that no other chain of the length can come further.
#[derive(Debug)]
pub(super) struct Chains {
    /// By length. Of length 0: the chain that the present hit may start.
    ends: [End; MAX_STEPS + 1],
    /// Hits that may have ended a chain; chains share their beginnings.
    links: Vec<Link>,
}

/// The last hit of a chain.
#[derive(Clone, Copy, Debug)]
struct End {
    /// When the chain starts; `i64::MIN` where there is none.
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

const NONE: End = End { start: i64::MIN, link: 0 };

impl Chains {
    pub(super) fn new() -> Self {
        Self { ends: [NONE; MAX_STEPS + 1], links: Vec::new() }
    }

    pub(super) fn run(&mut self, rule: &Rule, hits: &[Hit], reach: &mut Reach) {
        self.ends[..=rule.steps].fill(NONE);
        self.links.clear();
        for hit in hits {
            self.ends[0].start = if rule.starts(hit) { hit.time } else { i64::MIN };
            // From the last step down, so that one event does not take two steps of one chain.
            let mut steps = hit.steps;
            while steps != 0 {
                let step = steps.ilog2() as usize;
                steps &= !(1 << step);
                if self.advance(rule, hit, step) & (step + 1 > reach.depth) {
                    self.report(step + 1, reach);
                    if reach.depth == rule.steps {
                        return;
                    }
                }
            }
        }
        if reach.depth > 0 {
            reach.latest_start = self.ends[reach.depth].start;
        }
    }

    /// Makes the chain that ends with `hit` at `step`, if there is one and it starts later than the one known; without
    /// a branch, for no processor could foresee it.
    #[inline]
    fn advance(&mut self, rule: &Rule, hit: &Hit, step: usize) -> bool {
        let (before, known) = (self.ends[step], self.ends[step + 1]);
        let advances = (before.start > known.start) & rule.in_window(before.start, hit.time);
        let end = End { start: before.start, link: self.links.len() as u32 };
        self.links.push(Link { time: hit.time, at: hit.at, before: before.link });
        self.ends[step + 1] = if advances { end } else { known };
        advances
    }

    fn report(&self, length: usize, reach: &mut Reach) {
        let end = self.ends[length];
        reach.depth = length;
        reach.latest_start = end.start;
        reach.times.clear();
        reach.times.resize(length, end.start);
        let mut at = end.link;
        for time in reach.times.iter_mut().rev() {
            let link = self.links[at as usize];
            (*time, reach.first, at) = (link.time, link.at, link.before);
        }
    }
}
