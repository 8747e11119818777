//! `profile.updated`: what a record says about the attributes whose dates start runs.

use chassis::fact;
use kernel::{Result, Workspace};
use store::Unit;
use uuid::Uuid;
use wire::event::Event;

use crate::registry::Index;
use crate::store::{dates, owners};

/// Applies one; answers with the customer whose dates are to be planned anew, if any of those attributes changed.
pub(crate) async fn apply(
    unit: &mut Unit,
    workspace: &Workspace,
    index: &Index,
    event: &Event,
) -> Result<Option<Uuid>> {
    let properties = fact::properties(event);
    let Some(attributes) = properties.get("attributes").and_then(|value| value.as_object()) else {
        return Ok(None);
    };
    let stated: Vec<_> =
        attributes.iter().filter(|(name, _)| index.attributes.contains(name.as_str())).collect();
    if stated.is_empty() {
        return Ok(None);
    }
    let (customer, record) = fact::subject(event)?;
    let owner =
        owners::of(unit.db(), workspace, &[record.0]).await?.get(&record.0).copied().unwrap_or(customer.0);
    let priority = properties.get("priority").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let said_by = Some(fact::text(event, "by")).filter(|by| !by.is_empty()).unwrap_or(&event.id);
    let statement = |(name, value): (&String, &serde_json::Value)| dates::Statement {
        workspace: workspace.to_string(),
        attribute: name.clone(),
        record_id: record.0,
        customer_id: owner,
        // A value that is no text is no date.
        value: value.as_str().map(str::to_owned),
        time: fact::time(event).0,
        priority: i32::try_from(priority).unwrap_or(0),
        said_by: said_by.to_owned(),
    };
    dates::state(unit.db(), workspace, stated.into_iter().map(statement).collect()).await?;
    Ok(Some(owner))
}
