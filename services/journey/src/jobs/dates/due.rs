//! Lets customers enter whose day has come.

use kernel::{CustomerId, RecordId, Result, Time, Workspace};
use serde_json::json;
use wire::event::Event;

use crate::Shared;
use crate::domain::run::DATE_REACHED;
use crate::jobs::dates::next;
use crate::store::{dates, journeys, runs};

/// Customers in one transaction.
const BATCH: u64 = 200;

/// A batch; says whether there was one.
pub(super) async fn enter(shared: &Shared) -> Result<bool> {
    let now = shared.cx.clock.now();
    if dates::next_due(shared.cx.db.read()).await?.is_none_or(|next| next > now) {
        return Ok(false);
    }
    let unit = shared.cx.db.begin().await?;
    let mut started = Vec::new();
    for row in dates::due(unit.db(), now, BATCH).await? {
        let workspace = Workspace::new(row.workspace.as_str());
        let index = shared.registry.index(unit.db(), &workspace).await?;
        let found = index.dated().find(|(key, ..)| *key == row.journey);
        let Some((_, known, date)) = found else {
            dates::replan(unit.db(), &row, None).await?;
            continue;
        };
        // Nobody enters a paused journey, and nobody is wished a happy birthday days after it.
        if known.state == journeys::LIVE && now.since(Time(row.due_at)) <= shared.knobs.max_age {
            let trigger = trigger(&row, &date.attribute);
            let subject = (CustomerId(row.customer_id), RecordId(row.record_id));
            started.push(runs::new(&workspace, (&row.journey, known.version), subject, &trigger, now));
        }
        dates::replan(unit.db(), &row, next(shared, &workspace, date, &row.value)).await?;
    }
    runs::insert(unit.db(), started).await?;
    unit.commit().await?;
    shared.runs.ring();
    Ok(true)
}

/// The made-up event of the day: the same for every repetition.
fn trigger(row: &dates::Occurrence, attribute: &str) -> Event {
    let value = row.value.split(' ').next().unwrap_or_default();
    let properties = json!({ "attribute": attribute, "value": value });
    Event {
        id: format!("date:{}:{}:{}", row.journey, row.customer_id, row.due_at),
        name: DATE_REACHED.to_owned(),
        time: Some(Time(row.due_at).into()),
        received_at: Some(Time(row.due_at).into()),
        customer_id: row.customer_id.to_string(),
        record_id: row.record_id.to_string(),
        properties: properties.as_object().cloned().map(chassis::values::to_struct),
        ..Event::default()
    }
}
