//! What becomes of an event from the log: all are stored; merges and splits also change who records belong to.

mod customer_merged;

use bus::Entry;
use bytes::Bytes;
use kernel::{Error, Kind, Result};
use prost::Message as _;
use store::Delivery;
use wire::event::Event;

use crate::engine::Engine;

/// The event of an entry.
///
/// # Errors
/// [`Kind::Invalid`] for an entry that is none.
pub(crate) fn decode(partition: u32, entry: &Entry) -> Result<Delivery> {
    let event = Event::decode(entry.record.payload.clone()).map_err(|cause| {
        Error::new(Kind::Invalid, "UNREADABLE_EVENT", "the payload is not an event").caused_by(cause)
    })?;
    Ok(Delivery { workspace: entry.record.workspace.clone(), event, partition, position: entry.position })
}

/// Takes an event in; `encoded` is its encoding.
///
/// # Errors
/// [`Kind::Invalid`] for an event that is not resolved, or a merge that names no records; nothing has changed then.
pub(crate) fn take(engine: &Engine, delivery: &Delivery, encoded: Bytes) -> Result<()> {
    let (workspace, event) = (&delivery.workspace, &delivery.event);
    let moves = match event.name.as_str() {
        "customer.merged" | "customer.split" => customer_merged::moves(event)?,
        _ => Vec::new(),
    };
    engine.append(workspace, event, (delivery.partition, delivery.position), encoded)?;
    let at = chassis::fact::time(event);
    for (moved, customer) in moves {
        engine.place(workspace, moved, customer, at);
    }
    Ok(())
}
