//! A series: what is remembered of the events of one selection, shared by every condition that asks for it.

use crate::behaviour::Selection;
use crate::hash::Hash;
use crate::tree::Dotted;

/// What of each event is remembered. The first three forget what left the largest window, the others add up for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Its time.
    Times,
    /// Its time and the number at a path.
    Numbers(Vec<String>),
    /// Its time and the fingerprint of the value at a path.
    Values(Vec<String>),
    /// How many, first time, last time.
    Total,
    /// How many numbers, their sum, the least, the greatest.
    TotalNumbers(Vec<String>),
    /// The fingerprints of all values.
    TotalValues(Vec<String>),
    /// The days with an event.
    Days,
}

impl Keep {
    fn text(&self) -> String {
        match self {
            Self::Times => "times".to_owned(),
            Self::Numbers(path) => format!("numbers {}", Dotted(path)),
            Self::Values(path) => format!("values {}", Dotted(path)),
            Self::Total => "total".to_owned(),
            Self::TotalNumbers(path) => format!("total numbers {}", Dotted(path)),
            Self::TotalValues(path) => format!("total values {}", Dotted(path)),
            Self::Days => "days".to_owned(),
        }
    }

    /// Whether what is kept can leave a window again.
    pub(crate) const fn forgets(&self) -> bool {
        matches!(self, Self::Times | Self::Numbers(_) | Self::Values(_))
    }
}

/// What is kept, under an id that stays the same over restarts and edits of conditions: a hash of the canonical text of
/// name, filter, and what is kept. The window is not part of it, so that conditions with different windows share points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) id: u64,
    pub(crate) keep: Keep,
}

impl Series {
    pub(crate) fn new(selection: &Selection, keep: Keep) -> Self {
        Self { id: Hash::of(&format!("{selection} {}", keep.text())), keep }
    }
}
