//! What a bench hands over: lines of the table, and notes below it.

/// One line of the table.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) stage: String,
    /// Our figure, with its unit.
    pub(crate) ours: String,
    /// The peer's.
    pub(crate) peer: String,
    /// What the machine allows at the most.
    pub(crate) limit: String,
    /// Ours to the peer's: median and worst of the runs.
    pub(crate) ratio: String,
    /// What is aimed at.
    pub(crate) goal: String,
    /// Whether it was reached; absent where there is no goal.
    pub(crate) met: Option<bool>,
    /// What keeps it from being better.
    pub(crate) bound: String,
}

/// The outcome of one bench.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
pub(crate) struct Report {
    /// Lines of the table.
    pub(crate) figures: Vec<Figure>,
    /// Checksums, checks, single runs, memory, processor time.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// Adds a note.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// `12,345` for large numbers, `12.3` for small ones.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Several numbers, for notes.
pub(crate) fn numbers(values: &[f64]) -> String {
    values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(" ")
}
