//! The filling of series from history that is under way, and the states it has read so far. See [`crate::jobs::fill`].

use std::collections::{BTreeMap, HashMap};

use kernel::{Result, Workspace};
use rules::{PlannedSeries, State};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::definitions::{read_series, write_series};
use super::row::{filling, history};
use super::{KEYS, put};
use crate::domain::catalogue::Catalogue;

/// One attempt at filling series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filling {
    /// Tells attempts apart.
    pub(crate) run: i64,
    /// History is complete and goes into the states.
    pub(crate) merging: bool,
    pub(crate) series: Vec<PlannedSeries>,
    /// First position on the log, by partition, that was applied with these series in the plan.
    pub(crate) positions: Vec<u64>,
    /// Records up to this one have theirs already.
    pub(crate) merged_to: Option<Uuid>,
}

impl Filling {
    /// Whether what happens on a record now must be kept aside, too.
    pub(crate) fn concerns(&self, record: Uuid) -> bool {
        self.merged_to.is_none_or(|merged_to| record > merged_to)
    }
}

/// What is under way.
pub(crate) async fn load(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Option<Filling>> {
    let Some(row) = filling::Entity::find_by_id(workspace.as_str()).one(db).await.db()? else {
        return Ok(None);
    };
    Ok(Some(Filling {
        run: row.run,
        merging: row.merging,
        series: read_series(&row.series)?,
        positions: row.positions.split_whitespace().filter_map(|position| position.parse().ok()).collect(),
        merged_to: row.merged_to,
    }))
}

/// Begins or goes on.
pub(crate) async fn save(db: &impl ConnectionTrait, workspace: &Workspace, given: &Filling) -> Result<()> {
    let row = filling::Model {
        workspace: workspace.to_string(),
        run: given.run,
        merging: given.merging,
        series: write_series(&given.series)?,
        positions: given.positions.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
        merged_to: given.merged_to,
    };
    put(db, vec![row.into_active_model()]).await
}

/// Gives up a series that the plan lost meanwhile: what was kept aside of it has a gap.
pub(crate) async fn trim(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    catalogue: &Catalogue,
) -> Result<()> {
    let Some(mut given) = load(db, workspace).await? else { return Ok(()) };
    let kept = catalogue.trimmed(&given.series);
    if kept != given.series {
        given.series = kept;
        save(db, workspace, &given).await?;
    }
    Ok(())
}

/// Ends it, and forgets what it read.
pub(crate) async fn clear(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<()> {
    filling::Entity::delete_by_id(workspace.to_string()).exec(db).await.db()?;
    let of = history::Column::Workspace.eq(workspace.as_str());
    history::Entity::delete_many().filter(of).exec(db).await.db()?;
    Ok(())
}

/// What is kept aside for a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aside {
    /// Before the filling's positions.
    pub(crate) past: State,
    /// Behind them.
    pub(crate) fresh: State,
}

/// What is kept aside for these records.
pub(crate) async fn aside(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[Uuid],
) -> Result<HashMap<Uuid, Aside>> {
    let mut found = HashMap::new();
    for chunk in records.chunks(KEYS) {
        let of = history::Column::Workspace.eq(workspace.as_str());
        let within = history::Column::RecordId.is_in(chunk.iter().copied());
        for row in history::Entity::find().filter(of).filter(within).all(db).await.db()? {
            found.insert(row.record_id, read(&row)?);
        }
    }
    Ok(found)
}

/// The next records in the order of their ids.
pub(crate) async fn next(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    after: Option<Uuid>,
    limit: u64,
) -> Result<BTreeMap<Uuid, Aside>> {
    let mut query = history::Entity::find().filter(history::Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = after {
        query = query.filter(history::Column::RecordId.gt(after));
    }
    let rows = query.order_by_asc(history::Column::RecordId).limit(limit).all(db).await.db()?;
    rows.iter().map(|row| Ok((row.record_id, read(row)?))).collect()
}

/// Writes what is kept aside.
pub(crate) async fn save_aside<'a>(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    rows: impl Iterator<Item = (&'a Uuid, &'a Aside)>,
) -> Result<()> {
    let row = |(record, aside): (&Uuid, &Aside)| history::ActiveModel {
        workspace: Set(workspace.to_string()),
        record_id: Set(*record),
        past: Set(aside.past.encode()),
        fresh: Set(aside.fresh.encode()),
    };
    put(db, rows.map(row)).await
}

fn read(row: &history::Model) -> Result<Aside> {
    Ok(Aside { past: State::decode(&row.past)?, fresh: State::decode(&row.fresh)? })
}
