//! Points in time with a value each, sorted: windows over them are slices.

use std::cmp::Ordering;

/// A multiset of moments (microseconds) with values, sorted by both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Points<T> {
    sorted: Vec<(i64, T)>,
}

impl<T: Copy + Ord> Points<T> {
    pub(crate) fn one(time: i64, value: T) -> Self {
        Self { sorted: vec![(time, value)] }
    }

    /// From sorted points; `None` when they are not.
    pub(crate) fn new(sorted: Vec<(i64, T)>) -> Option<Self> {
        sorted.is_sorted().then_some(Self { sorted })
    }

    pub(crate) fn all(&self) -> &[(i64, T)] {
        &self.sorted
    }

    pub(crate) fn merge(&mut self, mut others: Self) {
        if let [one] = others.sorted.as_slice() {
            let at = self.sorted.partition_point(|point| point <= one);
            self.sorted.insert(at, *one);
        } else {
            self.sorted.append(&mut others.sorted);
            self.sorted.sort();
        }
    }

    /// The points after `start` up to and including `end`, and the first one after `end`.
    pub(crate) fn between(&self, start: i64, end: i64) -> (&[(i64, T)], Option<i64>) {
        let from = self.sorted.partition_point(|(time, _)| *time <= start);
        let to = self.sorted.partition_point(|(time, _)| *time <= end);
        (self.sorted.get(from..to).unwrap_or(&[]), self.sorted.get(to).map(|(time, _)| *time))
    }

    /// Drops points at or before `start`; says whether any is left.
    pub(crate) fn forget_until(&mut self, start: i64) -> bool {
        let gone = self.sorted.partition_point(|(time, _)| *time <= start);
        self.sorted.drain(..gone);
        !self.sorted.is_empty()
    }
}

/// A finite number with a total order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(f64);

impl Number {
    /// There is one zero only.
    pub(crate) fn new(number: f64) -> Self {
        Self(number + 0.0)
    }

    pub(crate) const fn get(self) -> f64 {
        self.0
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}
