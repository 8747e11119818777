//! One customer's hits, gathered run by run and put in order, both without branches that a processor cannot foresee.

use super::Plan;
use crate::domain::funnel::Hit;
use crate::engine::query::view::View;
use crate::engine::walk::Span;

/// The hits of one customer; keeps its memory from customer to customer.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// As many as `count` says, and room.
    gathered: Vec<Hit>,
    count: usize,
    keys: Vec<u64>,
    ordered: Vec<Hit>,
}

/// Run and row of a [`Hit::at`].
pub(super) fn place(at: u64) -> (usize, usize) {
    ((at >> 32) as usize, (at & u64::from(u32::MAX)) as usize)
}

impl Hits {
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Adds the hits of a span; says which steps they satisfy.
    #[inline]
    pub(super) fn gather(&mut self, plan: &Plan, view: &View, span: Span) -> u32 {
        let names = &view.hot.names[span.from..span.to];
        let times = &view.hot.times[span.from..span.to];
        if self.gathered.len() < self.count + names.len() {
            self.gathered.resize(self.count + names.len(), Hit { time: 0, steps: 0, at: 0 });
        }
        let (from, last, run) = (plan.rule.from, plan.last, (span.run as u64) << 32);
        let (mut seen, mut count) = (0, self.count);
        for (row, (name, time)) in (span.from..).zip(names.iter().zip(times)) {
            let mut steps = plan.steps_of[*name as usize];
            if steps & plan.filtered_steps != 0 {
                for (bits, step) in view.matches.iter().zip(&plan.filtered) {
                    steps &= !(u32::from(!bits.contains(row)) << step);
                }
            }
            let known = view.received.as_ref().is_none_or(|received| received.0[row] <= plan.as_of);
            let counts = known & (steps != 0) & (*time >= from) & (*time <= last);
            // Written in any case, and kept by counting it: which events belong to a funnel is as good as random.
            self.gathered[count] = Hit { time: *time, steps, at: run | row as u64 };
            count += usize::from(counts);
            seen |= steps * u32::from(counts);
        }
        self.count = count;
        seen
    }

    /// By time, steps and breakdown value.
    pub(super) fn in_order(&mut self, plan: &Plan, views: &[View]) -> &[Hit] {
        let gathered = &self.gathered[..self.count];
        let (from, bits) = (plan.rule.from, usize::BITS - self.count.leading_zeros());
        self.ordered.clear();
        if plan.last.abs_diff(from).leading_zeros() >= bits {
            // Time and number fit into one word, and plain words sort several times as fast.
            let keys = (0u64..).zip(gathered).map(|(n, hit)| hit.time.abs_diff(from) << bits | n);
            self.keys.clear();
            self.keys.extend(keys);
            self.keys.sort_unstable();
            let number = |key: &u64| (key & ((1 << bits) - 1)) as usize;
            self.ordered.extend(self.keys.iter().map(|key| gathered[number(key)]));
        } else {
            self.ordered.extend_from_slice(gathered);
            self.ordered.sort_unstable_by_key(|hit| hit.time);
        }
        let key = |hit: &Hit| {
            let (run, row) = place(hit.at);
            views[run].key(row)
        };
        for same in self.ordered.chunk_by_mut(|a, b| a.time == b.time).filter(|same| same.len() > 1) {
            same.sort_unstable_by(|a, b| a.steps.cmp(&b.steps).then_with(|| key(a).cmp(&key(b))));
        }
        &self.ordered
    }
}
