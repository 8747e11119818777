//! Adds customers up to a funnel's figures.

use super::{Reach, Rule};

/// One step's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Customers who came at least here.
    pub customers: u64,
    /// Of those who did the first step, 0 to 1; 0 when nobody did.
    pub conversion: f64,
    /// Median of µs since the step before, the mean of the middle two (rounded down) for an even number; absent for the
    /// first step and where nobody came.
    pub median: Option<i64>,
    /// Customers who stand exactly here, short of the end, and may still go on: the window of a chain of this depth
    /// ends after now.
    pub immature: u64,
}

/// Figures while they are counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    customers: Vec<u64>,
    gaps: Vec<Vec<i64>>,
    immature: Vec<u64>,
}

impl Tally {
    /// Of no customer.
    pub fn new(steps: usize) -> Self {
        Self { customers: vec![0; steps], gaps: vec![Vec::new(); steps], immature: vec![0; steps] }
    }

    /// Counts a customer; `now` in µs.
    pub fn add(&mut self, rule: &Rule, reach: &Reach, now: i64) {
        for step in 0..reach.depth {
            self.customers[step] += 1;
            if step > 0 {
                self.gaps[step].push(reach.times[step] - reach.times[step - 1]);
            }
        }
        if reach.depth > 0 && reach.depth < rule.steps && reach.latest_start.saturating_add(rule.window) > now
        {
            self.immature[reach.depth - 1] += 1;
        }
    }

    /// Adds other customers.
    pub fn merge(&mut self, other: &Self) {
        for step in 0..self.customers.len() {
            self.customers[step] += other.customers[step];
            self.immature[step] += other.immature[step];
            self.gaps[step].extend_from_slice(&other.gaps[step]);
        }
    }

    /// Customers who did the first step.
    pub fn entered(&self) -> u64 {
        self.customers.first().copied().unwrap_or(0)
    }

    /// The figures of every step.
    pub fn finish(mut self) -> Vec<Step> {
        let first = self.entered();
        (0..self.customers.len())
            .map(|step| Step {
                customers: self.customers[step],
                conversion: if first == 0 { 0.0 } else { self.customers[step] as f64 / first as f64 },
                median: median(&mut self.gaps[step]),
                immature: self.immature[step],
            })
            .collect()
    }
}

fn median(values: &mut [i64]) -> Option<i64> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable(half);
    let middle = *middle;
    match below.iter().max() {
        Some(lower) if even => Some(lower + (middle - lower).div_euclid(2)),
        _ => Some(middle),
    }
}
