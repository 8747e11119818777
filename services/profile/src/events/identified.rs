//! `identified`: its traits become attributes of the record it was seen on.

use ::store::Unit;
use chassis::fact::{self, Cause};
use kernel::{Result, Workspace};
use serde_json::{Map, Value};

use crate::Shared;
use crate::domain::attributes::Said;
use crate::events::Seen;
use crate::events::known::Held;

pub(super) fn apply(
    shared: &Shared,
    unit: &mut Unit,
    workspace: &Workspace,
    seen: &Seen<'_>,
    held: &mut Held,
) -> Result<()> {
    let event = &seen.delivery.event;
    let Some(Value::Object(traits)) = fact::properties(event).remove("traits") else { return Ok(()) };
    let priority = event.context.as_ref().map_or(0, |context| context.source_priority);
    let said = Said { time: seen.time, priority, by: event.id.clone() };
    let taken = held.take(traits, &said)?;
    if !taken.refused.is_empty() {
        shared.refused.inc_by(u64::try_from(taken.refused.len()).unwrap_or(0));
        tracing::warn!(
            event = event.id,
            refused = taken.refused.len(),
            "traits exceed a limit and were not kept"
        );
    }
    if taken.statements.is_empty() {
        return Ok(());
    }
    let properties = updated(taken.statements, &said);
    let subject = (held.customer(), seen.record);
    match fact::new(&shared.ids, "profile.updated", subject, said.time, &Cause::of(event), properties) {
        Ok(fact) => unit.publish(workspace, &fact),
        Err(error) => tracing::warn!(event = event.id, %error, "a change of a profile is not told"),
    }
    Ok(())
}

/// Properties of `profile.updated`.
pub(crate) fn updated(statements: Map<String, Value>, said: &Said) -> Map<String, Value> {
    Map::from_iter([
        ("attributes".to_owned(), statements.into()),
        ("priority".to_owned(), said.priority.into()),
        ("by".to_owned(), said.by.as_str().into()),
    ])
}
