//! Removes assignments that no longer fit their tag's definition: of a deleted tag all, of a tag that got a condition
//! those given otherwise, of a tag that lost its condition those of the rule.

use chassis::fact::Cause;
use kernel::{Result, Time, Workspace};
use uuid::Uuid;

use crate::Shared;
use crate::domain::tags::DELETED;
use crate::store::records::{self, For};
use crate::store::row::tag::Model;
use crate::store::{assignments, tags};
use crate::tagging::Sheet;

/// Sweeps until nothing is left.
pub(super) async fn run(shared: &Shared) -> Result<Option<Time>> {
    while let Some(tag) = tags::sweeping(shared.db.read()).await? {
        all(shared, &tag).await?;
    }
    Ok(None)
}

/// Sweeps one tag, in batches; returns when the log says so too.
pub(crate) async fn all(shared: &Shared, tag: &Model) -> Result<()> {
    while !step(shared, tag).await? {}
    Ok(())
}

/// One batch; says whether it was the last.
async fn step(shared: &Shared, tag: &Model) -> Result<bool> {
    let workspace = Workspace::new(tag.workspace.as_str());
    let mut unit = shared.db.begin().await?;
    let Some(tag) = tags::find_to_sweep(unit.db(), &workspace, &tag.key).await? else { return Ok(true) };
    let by_rule = (tag.state != DELETED).then_some(tag.condition.is_empty());
    let rows = assignments::of_tag(unit.db(), &tag.workspace, &tag.key, by_rule).await?;
    let last = rows.is_empty();
    if last && tag.state == DELETED {
        tags::remove(unit.db(), &tag).await?;
    } else if last {
        tags::save(unit.db(), Model { sweeping: false, ..tag }).await?;
    } else {
        let reason = if tag.state == DELETED { "deleted" } else { "condition" };
        let ids: Vec<Uuid> = rows.iter().map(|row| row.record_id).collect();
        let records = records::by_ids(unit.db(), &workspace, &ids, For::Writing).await?;
        let mut sheet = Sheet::load(unit.db(), &workspace, tags::Tags::new(), &records).await?;
        sheet.remove(rows, reason, shared.clock.now(), &Cause::none());
        sheet.save(&mut unit, &shared.ids).await?;
    }
    unit.commit_and_publish().await?;
    Ok(last)
}
