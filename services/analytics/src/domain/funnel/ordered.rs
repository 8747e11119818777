//! Chains with anything in between, in one pass.

use super::{Hit, MAX_STEPS, Reach, Rule};

/// For each length, the chain of that length that starts last: only its start decides what the window still admits,
/// so that no other chain of the length can come further.
#[derive(Debug)]
pub(super) struct Chains {
    /// By length − 1: start and handle of the first hit.
    starts: Vec<Option<(i64, u64)>>,
    /// By length − 1, the times of its hits.
    times: Vec<[i64; MAX_STEPS]>,
}

impl Chains {
    pub(super) fn new(steps: usize) -> Self {
        Self { starts: vec![None; steps], times: vec![[0; MAX_STEPS]; steps] }
    }

    pub(super) fn run(&mut self, rule: &Rule, hits: &[Hit], reach: &mut Reach) {
        self.starts.fill(None);
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
        if let Some(Some((start, _))) = reach.depth.checked_sub(1).map(|last| self.starts[last]) {
            reach.latest_start = start;
        }
    }

    /// Makes the chain that ends with `hit` at `step`, if there is one and it starts later than the one known.
    #[inline]
    fn advance(&mut self, rule: &Rule, hit: &Hit, step: usize) -> bool {
        let start = match step.checked_sub(1) {
            None => rule.starts(hit).then_some((hit.time, hit.at)),
            Some(before) => self.starts[before].filter(|(start, _)| rule.in_window(*start, hit.time)),
        };
        let Some(start) = start else { return false };
        if self.starts[step].is_some_and(|known| known.0 >= start.0) {
            return false;
        }
        self.starts[step] = Some(start);
        if let Some(before) = step.checked_sub(1) {
            let (done, open) = self.times.split_at_mut(step);
            open[0][..step].copy_from_slice(&done[before][..step]);
        }
        self.times[step][step] = hit.time;
        true
    }

    fn report(&self, step: usize, reach: &mut Reach) {
        if let Some((start, first)) = self.starts[step] {
            reach.depth = step + 1;
            reach.first = first;
            reach.latest_start = start;
            reach.times.clear();
            reach.times.extend_from_slice(&self.times[step][..=step]);
        }
    }
}
