//! `rule.entered` and `rule.exited` of the rules `tag:<key>`: tags by condition.

use ::store::Unit;
use chassis::fact::{self, Cause};
use kernel::{Result, Workspace};
use uuid::Uuid;

use crate::Shared;
use crate::domain::tags::{Changes, DELETED, Grant, RULE};
use crate::events::Seen;
use crate::store::records::{self, For};
use crate::store::tags;
use crate::tagging::Sheet;

/// Applies them in order; says whether an assignment with an end was made.
pub(super) async fn apply(
    shared: &Shared,
    unit: &mut Unit,
    workspace: &Workspace,
    events: &[&Seen<'_>],
) -> Result<bool> {
    let ids: Vec<Uuid> = events.iter().map(|seen| seen.record.0).collect();
    let owned = records::by_ids(unit.db(), workspace, &ids, For::Writing).await?;
    let customers: Vec<Uuid> = owned.iter().map(|row| row.customer_id).collect();
    let all = records::by_customers(unit.db(), workspace, &customers, For::Writing).await?;
    let tags = tags::all(unit.db(), workspace).await?;
    let mut sheet = Sheet::load(unit.db(), workspace, tags, &all).await?;
    let mut expiring = false;
    for seen in events {
        expiring |= apply_one(&mut sheet, seen);
    }
    sheet.save(unit, &shared.ids).await?;
    Ok(expiring)
}

fn apply_one(sheet: &mut Sheet, seen: &Seen<'_>) -> bool {
    let event = &seen.delivery.event;
    let Some(key) = fact::text(event, "rule").strip_prefix("tag:") else { return false };
    let Some(customer) = sheet.owner(seen.record.0) else { return false };
    let Some(tag) = sheet.tags.get(key).filter(|tag| tag.state != DELETED) else { return false };
    let held = sheet.held(customer);
    let cause = Cause::of(event);
    if event.name == "rule.exited" {
        let gone = held.into_iter().filter(|row| row.tag == key && row.source == RULE).cloned().collect();
        sheet.remove(gone, "rule", seen.time, &cause);
        return false;
    }
    let grant = Grant { record: seen.record.0, source: RULE, reason: "", cause: &event.id, now: seen.time };
    let mut changes = Changes::default();
    changes.rule_entered(&held, tag, &sheet.tags, grant);
    let expiring = changes.added.iter().any(|row| row.expires_at.is_some());
    sheet.apply(changes, seen.time, &cause);
    expiring
}
