//! `customer.merged` and `customer.split`: told once per customer concerned, applied once.

use kernel::Result;
use store::Unit;
use wire::event::Event;

use crate::store::people;
use crate::work::{Merge, Why, Work};

/// Applies it unless its other copy was.
pub(super) async fn apply(
    work: &mut Work,
    unit: &Unit,
    event: &Event,
    merge: &Merge,
    why: Why,
) -> Result<()> {
    if !people::first_time(unit.db(), &work.workspace, &event.name, &merge.identity()).await? {
        return Ok(());
    }
    let reason = if merge.gone.is_empty() { "split" } else { "merged" };
    // Told on the first record of whoever is concerned, not on that of the fact's own customer.
    work.merge(merge, &Why { reason: Some(reason), record: None, ..why });
    Ok(())
}
