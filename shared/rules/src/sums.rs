//! Numbers added up so that no order of adding makes a difference, and the days of a customer.

/// A number in millionths. Sums of money come out exact (0.1 + 0.2 is 0.3), and any order gives the same sum; beyond
/// ±10¹⁸ a number counts as that.
pub(crate) fn millionths(number: f64) -> i128 {
    (number.clamp(-1e18, 1e18) * 1e6).round() as i128
}

/// Back from millionths.
pub(crate) fn number(millionths: i128) -> f64 {
    millionths as f64 / 1e6
}

/// Length of the longest run of consecutive days; `days` sorted, without duplicates.
pub(crate) fn longest_run(days: impl IntoIterator<Item = i32>) -> usize {
    let (mut longest, mut length, mut last) = (0, 0, None);
    for day in days {
        length = if last.is_some_and(|last: i32| last.checked_add(1) == Some(day)) { length + 1 } else { 1 };
        longest = longest.max(length);
        last = Some(day);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_adds_up_exactly() {
        assert_eq!(number(millionths(0.1) + millionths(0.2)), 0.3);
        assert_eq!(number(millionths(-99.99) * 3), -299.97);
    }

    #[test]
    fn runs_of_days() {
        for (days, expected) in
            [(vec![], 0), (vec![5], 1), (vec![1, 2, 4, 5, 6, 9], 3), (vec![i32::MAX], 1), (vec![-1, 0, 1], 3)]
        {
            assert_eq!(longest_run(days), expected);
        }
    }
}
