//! How far one customer came through a funnel.
//!
//! A customer's *hits* are its events that satisfy at least one step, in the order of time; hits of equal time stand
//! in the order of the set of steps they satisfy (step 1 first), then of their breakdown value. Only hits in
//! `[from, to + window]` are looked at, and a chain must start in `[from, to)`.
//!
//! * **Ordered** (`ClickHouse`'s `windowFunnel` without a mode): a chain is a sequence of different hits, the i-th
//!   satisfying step i, anything in between, the last at most `window` after the first. The depth is the length of
//!   the longest chain.
//! * **Strict**: the same, and the chain's hits follow each other directly in the list of hits: an event that
//!   satisfies another step of the funnel, or the same step once more, ends the chain (and may start a new one).
//!   Events that satisfy no step never disturb.
//! * **Any**: from a hit of whatever step (the *first*), the number of different steps satisfied by it and the hits
//!   behind it within `window`; the depth is the largest such number. A hit that satisfies several steps counts for
//!   all of them.
//!
//! The chain that reaches the depth first, by its last hit, stands for the customer: its times make the medians, its
//! first hit decides the group. Of several that end with the same hit, it is the one that starts last; for **any**,
//! the one that starts first of all.

mod any;
mod ordered;
mod strict;
mod tally;

pub use tally::{Step, Tally};

/// Steps at the most.
pub const MAX_STEPS: usize = 20;

/// The rule by which steps follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing else of the funnel in between.
    Strict,
    /// Anything in between.
    Ordered,
    /// In whatever order.
    Any,
}

/// One event of a customer that satisfies a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// µs.
    pub time: i64,
    /// Bit i: satisfies step i, counted from 0. Not empty.
    pub steps: u32,
    /// The caller's handle.
    pub at: u64,
}

/// What decides depths.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How steps follow each other.
    pub order: Order,
    /// Number of steps, 1 to [`MAX_STEPS`].
    pub steps: usize,
    /// µs from the first hit to the last, inclusive.
    pub window: i64,
    /// First hits from here, µs.
    pub from: i64,
    /// First hits before here, µs.
    pub to: i64,
}

impl Rule {
    fn starts(&self, hit: &Hit) -> bool {
        self.from <= hit.time && hit.time < self.to
    }

    fn in_window(&self, start: i64, time: i64) -> bool {
        time.saturating_sub(start) <= self.window
    }
}

/// How far a customer came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Number of steps done; 0: not even the first.
    pub depth: usize,
    /// Handle of the first hit; means nothing at depth 0.
    pub first: u64,
    /// When each of the `depth` steps was done, µs.
    pub times: Vec<i64>,
    /// When the last chain of this depth started, µs.
    pub latest_start: i64,
}

impl Reach {
    fn reset(&mut self) {
        self.depth = 0;
        self.times.clear();
        self.latest_start = i64::MIN;
    }
}

/// Finds depths; keeps its memory from customer to customer.
#[derive(Debug)]
pub struct Matcher {
    rule: Rule,
    ordered: ordered::Chains,
    reach: Reach,
}

impl Matcher {
    /// For one funnel.
    pub fn new(rule: Rule) -> Self {
        Self { rule, ordered: ordered::Chains::new(), reach: Reach::default() }
    }

    /// The depth of one customer, given all its hits in the order described above.
    pub fn run(&mut self, hits: &[Hit]) -> &Reach {
        self.reach.reset();
        match self.rule.order {
            Order::Ordered => self.ordered.run(&self.rule, hits, &mut self.reach),
            Order::Strict => strict::run(&self.rule, hits, &mut self.reach),
            Order::Any => any::run(&self.rule, hits, &mut self.reach),
        }
        &self.reach
    }
}

#[cfg(test)]
mod tests;
