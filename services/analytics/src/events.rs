//! What becomes of an event from the log: all are stored; merges and splits also change who records belong to.

mod customer_merged;

use kernel::Result;
use store::Delivery;

use crate::engine::Engine;

/// Takes an event in.
///
/// # Errors
/// [`kernel::Kind::Invalid`] for an event that is not resolved, or a merge that names no records; nothing has changed then.
pub(crate) fn take(engine: &Engine, delivery: &Delivery) -> Result<()> {
    let (workspace, event) = (&delivery.workspace, &delivery.event);
    let moves = match event.name.as_str() {
        "customer.merged" | "customer.split" => customer_merged::moves(event)?,
        _ => Vec::new(),
    };
    engine.append(workspace, event, (delivery.partition, delivery.position), delivery.payload.clone())?;
    let at = chassis::fact::time(event);
    for (moved, customer) in moves {
        engine.place(workspace, moved, customer, at);
    }
    Ok(())
}
