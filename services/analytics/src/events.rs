//! What becomes of an event from the log: all are stored; merges and splits also change who records belong to.

mod customer_merged;

use bus::Entry;
use kernel::{Error, Kind, Result};
use prost::Message as _;
use wire::event::Event;

use crate::engine::Engine;

/// Takes an entry of the log in.
///
/// # Errors
/// [`Kind::Invalid`] for an entry that is not a resolved event; nothing has changed then.
pub(crate) fn take(engine: &Engine, partition: u32, entry: &Entry) -> Result<()> {
    let record = &entry.record;
    let event = Event::decode(record.payload.clone()).map_err(|cause| {
        Error::new(Kind::Invalid, "UNREADABLE_EVENT", "the payload is not an event").caused_by(cause)
    })?;
    let moves = match event.name.as_str() {
        "customer.merged" | "customer.split" => customer_merged::moves(&event)?,
        _ => Vec::new(),
    };
    engine.append(&record.workspace, &event, (partition, entry.position), record.payload.clone())?;
    let at = chassis::fact::time(&event);
    for (moved, customer) in moves {
        engine.place(&record.workspace, moved, customer, at);
    }
    Ok(())
}
