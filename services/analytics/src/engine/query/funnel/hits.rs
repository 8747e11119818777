//! One customer's hits, gathered run by run and put in order: as plain numbers, so that neither takes branches that a
//! processor cannot foresee.

use kernel::{Error, Result};

use super::Plan;
use crate::domain::funnel::Hit;
use crate::engine::query::view::View;
use crate::engine::walk::Span;

/// Bits of a packed hit, from the highest: time (64), steps (20), run (12), row (32).
const STEP_BITS: u32 = 20;
const RUN_BITS: u32 = 12;
const ROW_BITS: u32 = 32;
/// Time and steps stand above the place.
const PLACE_BITS: u32 = RUN_BITS + ROW_BITS;
/// Turns the order of signed numbers into that of unsigned ones.
const SIGN: u64 = 1 << 63;

/// The hits of one customer; keeps its memory from customer to customer.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// Packed; as many as `count` says, and room.
    packed: Vec<u128>,
    count: usize,
    hits: Vec<Hit>,
}

/// # Errors
/// When there are more runs than a packed hit can tell apart.
pub(super) fn check(views: &[View]) -> Result<()> {
    if views.len() > 1 << RUN_BITS {
        return Err(Error::internal(format!(
            "more than {} segments; raise `analytics.segment_rows`",
            1 << RUN_BITS
        )));
    }
    Ok(())
}

/// Run and row of a [`Hit::at`].
pub(super) fn place(at: u64) -> (usize, usize) {
    ((at >> ROW_BITS) as usize, (at & u64::from(u32::MAX)) as usize)
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
        if self.packed.len() < self.count + names.len() {
            self.packed.resize(self.count + names.len(), 0);
        }
        let (from, last, run) = (plan.rule.from, plan.last, (span.run as u128) << ROW_BITS);
        let mut seen = 0;
        for (row, (name, time)) in (span.from..).zip(names.iter().zip(times)) {
            let mut steps = plan.steps_of[*name as usize];
            if steps & plan.filtered_steps != 0 {
                for (bits, step) in view.matches.iter().zip(&plan.filtered) {
                    steps &= !(u32::from(!bits.contains(row)) << step);
                }
            }
            let known = view.received.as_ref().is_none_or(|received| received.0[row] <= plan.as_of);
            let counts = known & (steps != 0) & (*time >= from) & (*time <= last);
            // Written in any case, and kept by counting it: half of the events of a funnel are none, at random.
            let order = u128::from(time.cast_unsigned() ^ SIGN) << STEP_BITS | u128::from(steps);
            self.packed[self.count] = order << PLACE_BITS | run | row as u128;
            self.count += usize::from(counts);
            seen |= steps * u32::from(counts);
        }
        seen
    }

    /// By time, steps and breakdown value.
    pub(super) fn in_order(&mut self, views: &[View]) -> &[Hit] {
        let packed = &mut self.packed[..self.count];
        packed.sort_unstable();
        self.hits.clear();
        self.hits.extend(packed.iter().map(|packed| unpack(*packed)));
        if views.iter().any(|view| view.keys.is_some()) {
            let key = |hit: &Hit| {
                let (run, row) = place(hit.at);
                views[run].key(row)
            };
            for equal in self.hits.chunk_by_mut(|a, b| (a.time, a.steps) == (b.time, b.steps)) {
                equal.sort_by(|a, b| key(a).cmp(&key(b)));
            }
        }
        &self.hits
    }
}

fn unpack(packed: u128) -> Hit {
    let order = packed >> PLACE_BITS;
    Hit {
        time: ((order >> STEP_BITS) as u64 ^ SIGN).cast_signed(),
        steps: order as u32 & ((1 << STEP_BITS) - 1),
        at: packed as u64 & ((1 << PLACE_BITS) - 1),
    }
}
