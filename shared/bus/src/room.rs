//! How much one call of reading answers.

use crate::Entry;

/// Payload that one call answers at the most, besides the first entry.
const MAX_BYTES: usize = 4 << 20;

/// Counts what has been taken.
pub(crate) struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(max: usize) -> Self {
        Self { records: max, bytes: MAX_BYTES }
    }

    /// Whether the entry still has room; takes it if so.
    pub(crate) fn take(&mut self, entry: &Entry) -> bool {
        let fits = self.records > 0 && self.bytes > 0;
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.record.key.len() + entry.record.payload.len());
        fits
    }

    /// Whether nothing more has room.
    pub(crate) fn is_full(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}
