//! `customer.merged` and `customer.split`: which record belongs to which customer from now on.

use chassis::fact;
use kernel::{CustomerId, Error, Kind, RecordId, Result};
use serde_json::Value;
use wire::event::Event;

/// The assignments an event states.
///
/// # Errors
/// [`Kind::Invalid`] when it does not state them as it should: a dead letter.
pub(super) fn assignments(event: &Event) -> Result<Vec<(RecordId, CustomerId)>> {
    let unreadable = || {
        let message = format!("`{}` {} lacks records:[{{record_id, customer_id}}]", event.name, event.id);
        Error::new(Kind::Invalid, "UNREADABLE_EVENT", message)
    };
    let properties = fact::properties(event);
    let records = properties.get("records").and_then(Value::as_array).ok_or_else(unreadable)?;
    let pair = |entry: &Value| {
        let text = |name| entry.get(name).and_then(Value::as_str).ok_or_else(unreadable);
        Ok((text("record_id")?.parse()?, text("customer_id")?.parse()?))
    };
    records.iter().map(pair).collect()
}
