//! Definitions, the series that states hold completely, and the row that whoever writes holds locked.

use std::time::Duration;

use kernel::{Error, Ids, Result, Time, Workspace};
use rules::PlannedSeries;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QuerySelect as _,
};
use store::rows::Query;
use store::{Rows, StoreResult as _};

use super::row::{coverage, definition, engine};
use super::{filling, put};
use crate::domain::catalogue::Catalogue;
use crate::domain::definition::{Definition, Kind, Phase};

/// The workspaces that have anything.
pub(crate) async fn workspaces(db: &impl ConnectionTrait) -> Result<Vec<Workspace>> {
    let rows = engine::Entity::find().all(db).await.db()?;
    Ok(rows.into_iter().map(|row| Workspace::new(row.workspace)).collect())
}

/// The workspace's row, locked until the unit of work ends: there is one writer of a workspace at a time.
pub(crate) async fn lock(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<engine::Model> {
    let locked = || engine::Entity::find_by_id(workspace.as_str()).lock_exclusive().one(db);
    if let Some(row) = locked().await.db()? {
        return Ok(row);
    }
    let new = engine::Model { workspace: workspace.to_string(), version: 0, next_id: 1 }.into_active_model();
    let keep = OnConflict::column(engine::Column::Workspace).do_nothing().to_owned();
    engine::Entity::insert(new).on_conflict(keep).exec_without_returning(db).await.db()?;
    locked().await.db()?.ok_or_else(|| Error::internal("the row of a workspace is missing"))
}

/// The version of a workspace's definitions.
pub(crate) async fn version(db: &impl Rows, workspace: &Workspace) -> Result<i64> {
    let query = Query::<engine::Entity>::on(db).text(" WHERE workspace = ").value(workspace.as_str());
    let found = db.rows(query).await?;
    Ok(found.first().map_or(0, |row| row.version))
}

/// Reads and compiles.
pub(crate) async fn load(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    version: i64,
    before: Option<&Catalogue>,
) -> Result<Catalogue> {
    let of = definition::Column::Workspace.eq(workspace.as_str());
    let rows = definition::Entity::find().filter(of).all(db).await.db()?;
    let definitions = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let kept = coverage::Entity::find_by_id(workspace.as_str()).one(db).await.db()?;
    let covered = kept.map_or_else(|| Ok(Vec::new()), |row| read_series(&row.series))?;
    Catalogue::new(version, definitions, covered, before)
}

/// Writes a definition; [`settle`] follows.
pub(crate) async fn save(db: &impl ConnectionTrait, workspace: &Workspace, given: &Definition) -> Result<()> {
    let row = definition::Model {
        workspace: workspace.to_string(),
        space: given.kind.space().to_owned(),
        key: given.key.clone(),
        kind: given.kind.name().to_owned(),
        name: given.name.clone(),
        latest: json(&given.latest)?,
        active: json(&given.active)?,
        phase: given.phase.name().to_owned(),
        created_at: given.created_at.0,
        updated_at: given.updated_at.0,
    };
    put(db, vec![row.into_active_model()]).await
}

/// Deletes a definition; [`settle`] follows.
pub(crate) async fn delete(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    given: &Definition,
) -> Result<()> {
    let id = (workspace.to_string(), given.kind.space().to_owned(), given.key.clone());
    definition::Entity::delete_by_id(id).exec(db).await.db()?;
    Ok(())
}

/// After definitions changed: a new version, and everything said of series is cut to what the new plan keeps up.
pub(crate) async fn settle(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    (ids, next_id): (&Ids, u32),
    before: &Catalogue,
) -> Result<Catalogue> {
    // Never used before, also not by a transaction that was rolled back: catalogues are cached by it.
    let version = i64::from_le_bytes(ids.next().as_u64_pair().1.to_le_bytes());
    let mut catalogue = load(db, workspace, version, Some(before)).await?;
    let trimmed = catalogue.trimmed(&catalogue.coverage);
    if trimmed != catalogue.coverage {
        save_coverage(db, workspace, &trimmed).await?;
        catalogue.coverage = trimmed;
    }
    filling::trim(db, workspace, &catalogue).await?;
    let row = engine::Model { workspace: workspace.to_string(), version, next_id: i64::from(next_id) };
    put(db, vec![row.into_active_model()]).await?;
    Ok(catalogue)
}

/// Says which series states hold completely from now on.
pub(crate) async fn save_coverage(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    series: &[PlannedSeries],
) -> Result<()> {
    let row = coverage::Model { workspace: workspace.to_string(), series: write_series(series)? };
    put(db, vec![row.into_active_model()]).await
}

fn read(row: definition::Model) -> Result<Definition> {
    let damaged = || Error::internal(format!("the definition `{}` is damaged", row.key));
    Ok(Definition {
        kind: Kind::parse(&row.kind).ok_or_else(damaged)?,
        phase: Phase::parse(&row.phase).ok_or_else(damaged)?,
        latest: serde_json::from_str(&row.latest).map_err(|cause| damaged().caused_by(cause))?,
        active: serde_json::from_str(&row.active).map_err(|cause| damaged().caused_by(cause))?,
        key: row.key,
        name: row.name,
        created_at: Time(row.created_at),
        updated_at: Time(row.updated_at),
    })
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::internal("JSON cannot be written").caused_by(cause))
}

/// Id, event name, window in microseconds.
type SeriesJson = (u64, Option<String>, Option<u64>);

pub(crate) fn write_series(series: &[PlannedSeries]) -> Result<String> {
    let micros = |window: Duration| u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
    let all: Vec<SeriesJson> = series.iter().map(|s| (s.id, s.event.clone(), s.window.map(micros))).collect();
    json(&all)
}

pub(crate) fn read_series(text: &str) -> Result<Vec<PlannedSeries>> {
    let all: Vec<SeriesJson> = serde_json::from_str(text)
        .map_err(|cause| Error::internal("kept series are damaged").caused_by(cause))?;
    let series = |(id, event, window): SeriesJson| PlannedSeries {
        id,
        event,
        window: window.map(Duration::from_micros),
    };
    Ok(all.into_iter().map(series).collect())
}
