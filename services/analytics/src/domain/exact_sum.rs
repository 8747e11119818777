//! A sum of floating-point numbers that does not depend on their order: the same answer however events lie in
//! segments and threads.
//!
//! Shewchuk, "Adaptive Precision Floating-Point Arithmetic" (1997): the sum is kept without error as a few numbers
//! that do not overlap; only reading it rounds, once, to the nearest.

/// The exact sum of what was added.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// Growing in magnitude, without common bits.
    parts: Vec<f64>,
    /// Set once the sum has left the range of `f64`.
    overflow: f64,
}

impl ExactSum {
    /// Adds a number; NaN is ignored.
    pub fn add(&mut self, number: f64) {
        if number.is_nan() {
            return;
        }
        let mut carried = number;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (sum, error) = two_sum(carried, self.parts[at]);
            if error != 0.0 {
                self.parts[kept] = error;
                kept += 1;
            }
            carried = sum;
        }
        self.parts.truncate(kept);
        if carried.is_finite() {
            self.parts.push(carried);
        } else {
            self.overflow = if self.overflow == 0.0 { carried } else { self.overflow };
            self.parts.clear();
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        if self.overflow == 0.0 {
            self.overflow = other.overflow;
        }
        other.parts.iter().for_each(|part| self.add(*part));
    }

    /// The sum, rounded to the nearest (ties to even); infinite when it left the range on the way.
    pub fn value(&self) -> f64 {
        if self.overflow != 0.0 {
            return self.overflow;
        }
        let mut rest = self.parts.iter().rev().copied();
        let Some(mut high) = rest.next() else { return 0.0 };
        let mut low = 0.0;
        let mut below = 0.0;
        while let Some(part) = rest.next() {
            (high, low) = two_sum(high, part);
            if low != 0.0 {
                below = rest.next().unwrap_or(0.0);
                break;
            }
        }
        // Half a unit away exactly: what lies below decides the direction.
        if (low < 0.0 && below < 0.0) || (low > 0.0 && below > 0.0) {
            let doubled = low * 2.0;
            let rounded = high + doubled;
            if doubled == rounded - high {
                high = rounded;
            }
        }
        high
    }
}

/// The rounded sum and its exact error.
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let (large, small) = if a.abs() < b.abs() { (b, a) } else { (a, b) };
    let sum = large + small;
    (sum, small - (sum - large))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|n| sum.add(*n));
        sum.value()
    }

    #[test]
    fn what_plain_addition_loses_is_kept() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::NAN, 2.0]), 2.0);
    }

    proptest! {
        #[test]
        fn neither_order_nor_grouping_changes_it(
            mut numbers in proptest::collection::vec(-1e12..1e12f64, 0..60), cut in 0usize..60
        ) {
            let forward = sum(&numbers);
            let (left, right) = numbers.split_at(cut.min(numbers.len()));
            let mut grouped = ExactSum::default();
            for half in [right, left] {
                let mut part = ExactSum::default();
                half.iter().for_each(|n| part.add(*n));
                grouped.merge(&part);
            }
            prop_assert_eq!(grouped.value().to_bits(), forward.to_bits());
            numbers.sort_by(f64::total_cmp);
            prop_assert_eq!(sum(&numbers).to_bits(), forward.to_bits());
        }
    }
}
