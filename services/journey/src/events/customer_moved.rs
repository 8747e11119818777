//! `customer.merged` and `customer.split`: records change hands, and runs and dates with them.

use std::collections::{BTreeMap, BTreeSet};

use chassis::fact;
use kernel::{Result, Workspace};
use store::Unit;
use uuid::Uuid;
use wire::event::Event;

use crate::store::{dates, owners, runs};

/// Applies one; answers with the customers whose dates are to be planned anew. Applying it twice changes nothing.
pub(crate) async fn apply(unit: &mut Unit, workspace: &Workspace, event: &Event) -> Result<BTreeSet<Uuid>> {
    let properties = fact::properties(event);
    let id = |value: &serde_json::Value| value.as_str()?.parse::<Uuid>().ok();
    let list = |name: &str| properties.get(name).and_then(|v| v.as_array()).cloned().unwrap_or_default();
    let pairs: BTreeMap<Uuid, Uuid> = list("records")
        .iter()
        .filter_map(|pair| Some((id(pair.get("record_id")?)?, id(pair.get("customer_id")?)?)))
        .collect();
    let mut concerned: BTreeSet<Uuid> = pairs.values().copied().collect();
    concerned.extend(list("merged").iter().chain(&list("restored")).filter_map(id));
    concerned.extend(properties.get("survivor").and_then(id));
    let assigned: Vec<(Uuid, Uuid)> = pairs.into_iter().collect();
    owners::assign(unit.db(), workspace, &assigned).await?;
    let mut by_owner: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for (record, owner) in assigned {
        by_owner.entry(owner).or_default().push(record);
    }
    for (owner, records) in by_owner {
        runs::move_records(unit.db(), workspace, &records, owner).await?;
        dates::move_records(unit.db(), workspace, &records, owner).await?;
    }
    Ok(concerned)
}
