//! Interleaved runs A B A B and what is quoted of them.

/// Figures of two sides, run by run; more is better.
#[derive(Clone, Debug, Default)]
pub(crate) struct Duel {
    /// Ours.
    pub(crate) ours: Vec<f64>,
    /// The peer's.
    pub(crate) peer: Vec<f64>,
}

impl Duel {
    /// Ratio of each pair.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer).collect()
    }

    /// Median of the ratios, and the worst where more is better.
    pub(crate) fn quote(&self) -> (f64, f64) {
        let ratios = self.ratios();
        (median(&ratios), ratios.iter().copied().fold(f64::INFINITY, f64::min))
    }

    /// Median of the ratios, and the worst where less is better.
    pub(crate) fn quote_times(&self) -> (f64, f64) {
        let ratios = self.ratios();
        (median(&ratios), ratios.iter().copied().fold(0.0, f64::max))
    }
}

/// The middle one, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        None => 0.0,
        Some(value) if sorted.len() % 2 == 1 => *value,
        Some(value) => f64::midpoint(*value, sorted[middle - 1]),
    }
}
