//! Ends assignments whose time has come.

use std::collections::BTreeMap;

use chassis::fact::Cause;
use kernel::{Result, Time, Workspace};
use uuid::Uuid;

use crate::Shared;
use crate::store::assignments;
use crate::store::records::{self, For};
use crate::store::row::assignment::Model;
use crate::tagging::Sheet;

/// Removes what has expired; says when the next one does.
pub(super) async fn run(shared: &Shared) -> Result<Option<Time>> {
    loop {
        let now = shared.clock.now();
        match assignments::next_expiry(shared.db.read()).await? {
            Some(next) if next <= now => end(shared, now).await?,
            next => return Ok(next),
        }
    }
}

async fn end(shared: &Shared, now: Time) -> Result<()> {
    let mut unit = shared.db.begin().await?;
    let mut tenants: BTreeMap<String, Vec<Model>> = BTreeMap::new();
    for row in assignments::expired(unit.db(), now).await? {
        tenants.entry(row.workspace.clone()).or_default().push(row);
    }
    for (workspace, rows) in tenants {
        let workspace = Workspace::new(workspace);
        let ids: Vec<Uuid> = rows.iter().map(|row| row.record_id).collect();
        let records = records::by_ids(unit.db(), &workspace, &ids, For::Writing).await?;
        let mut sheet = Sheet::load(unit.db(), &workspace, BTreeMap::new(), &records).await?;
        sheet.remove(rows, "expired", now, &Cause::none());
        sheet.save(&mut unit, &shared.ids).await?;
    }
    unit.commit().await
}
