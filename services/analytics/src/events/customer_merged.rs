//! `customer.merged` and `customer.split`: which record belongs to which customer from now on.
//!
//! Both sides of a merge carry the same list in their own partitions, and may be read in any order and twice: the
//! engine lets the latest fact about a record count.

use kernel::{CustomerId, Error, RecordId, Result};
use serde_json::Value;
use wire::event::Event;

/// The records and where they belong.
///
/// # Errors
/// [`kernel::Kind::Invalid`] when the list is not one.
pub(crate) fn moves(event: &Event) -> Result<Vec<(RecordId, CustomerId)>> {
    let properties = chassis::fact::properties(event);
    let missing = || Error::invalid("properties.records", "must be a list of {record_id, customer_id}");
    let records = properties.get("records").and_then(Value::as_array).ok_or_else(missing)?;
    let text = |record: &Value, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    records
        .iter()
        .map(|record| {
            let id = text(record, "record_id").ok_or_else(missing)?;
            let customer = text(record, "customer_id").ok_or_else(missing)?;
            Ok((id.parse()?, customer.parse()?))
        })
        .collect()
}
