//! How large records may be, and how much they take.

use kernel::{Error, Result, Violation};

use crate::{MAX_RECORD_BYTES, Record};

/// What a record takes besides key and payload, roughly.
const OVERHEAD: usize = 160;

/// What a record takes in memory, roughly.
pub(crate) fn weight(record: &Record) -> usize {
    OVERHEAD + record.key.len() + record.payload.len()
}

/// Refuses records that are too large, naming each.
pub(crate) fn check(records: &[Record]) -> Result<()> {
    let wrong = records.iter().enumerate().filter(|(_, record)| !fits(record));
    let violations: Vec<_> = wrong
        .map(|(at, record)| Violation {
            field: format!("records[{at}]"),
            description: format!(
                "{} bytes of key and payload; at most {MAX_RECORD_BYTES} (and 65535 for a name) fit the event log: \
                 send less, or keep large content elsewhere and refer to it",
                record.key.len() + record.payload.len()
            ),
        })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::violations(violations)) }
}

/// Whether the record's lengths can be written down.
fn fits(record: &Record) -> bool {
    let names = [record.workspace.as_str().len(), record.producer.len()];
    record.key.len() + record.payload.len() <= MAX_RECORD_BYTES
        && names.iter().all(|length| *length <= usize::from(u16::MAX))
}
