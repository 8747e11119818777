//! Journeys and their published definitions.

use kernel::page::Page;
use kernel::{Error, Result, Time, Workspace};
use prost::Message as _;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use store::StoreResult as _;
use wire::journey as proto;

use crate::store::row::{definition, journey};

pub(crate) use journey::Model as Journey;

/// The states of a journey, as kept.
pub(crate) const DRAFT: &str = "draft";
pub(crate) const LIVE: &str = "live";
pub(crate) const PAUSED: &str = "paused";
pub(crate) const ARCHIVED: &str = "archived";

/// As the API shows it.
pub(crate) fn shown(row: Journey) -> Result<proto::Journey> {
    let state = match row.state.as_str() {
        LIVE => proto::JourneyState::Live,
        PAUSED => proto::JourneyState::Paused,
        ARCHIVED => proto::JourneyState::Archived,
        _ => proto::JourneyState::Draft,
    };
    Ok(proto::Journey {
        definition: Some(decode(&row.draft)?),
        key: row.key,
        name: row.name,
        version: row.version,
        state: state.into(),
        created_at: Some(Time(row.created_at).into()),
        updated_at: Some(Time(row.updated_at).into()),
    })
}

/// A definition as kept.
pub(crate) fn decode(body: &[u8]) -> Result<proto::Definition> {
    proto::Definition::decode(body)
        .map_err(|cause| Error::internal("a definition is damaged").caused_by(cause))
}

/// One journey.
pub(crate) async fn find(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<Journey> {
    journey::Entity::find_by_id((workspace.to_string(), key.to_owned()))
        .one(db)
        .await
        .db()?
        .ok_or_else(|| Error::not_found("journey", key))
}

impl Journey {
    /// Changed at `now`, or right after the last change if the clock of the process that made that one was ahead: no two
    /// changes of a journey have the same time.
    pub(crate) fn touch(&mut self, now: Time) {
        self.updated_at = Ord::max(now.0, self.updated_at + 1);
    }
}

/// Differs after every change to a workspace's journeys, also one by a process whose clock is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revision {
    journeys: i64,
    versions: i64,
    /// The sum of all times of changes: each change of a journey makes it larger. As text, for it is of any size.
    changes: String,
}

/// The present one (PostgreSQL).
pub(crate) async fn revision(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Revision> {
    let found: Option<(i64, Option<i64>, Option<String>)> = journey::Entity::find()
        .select_only()
        .column_as(journey::Column::Key.count(), "journeys")
        .column_as(journey::Column::Version.sum(), "versions")
        .column_as(journey::Column::UpdatedAt.sum().cast_as("text"), "changes")
        .filter(journey::Column::Workspace.eq(workspace.as_str()))
        .into_tuple()
        .one(db)
        .await
        .db()?;
    let (journeys, versions, changes) = found.unwrap_or_default();
    Ok(Revision { journeys, versions: versions.unwrap_or(0), changes: changes.unwrap_or_default() })
}

/// A page in the order of keys.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    page: &Page,
) -> Result<Vec<Journey>> {
    let mut query = journey::Entity::find().filter(journey::Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = &page.after {
        query = query.filter(journey::Column::Key.gt(after));
    }
    query.order_by_asc(journey::Column::Key).limit(page.limit()).all(db).await.db()
}

/// Every journey that was ever published.
pub(crate) async fn published(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Vec<Journey>> {
    journey::Entity::find()
        .filter(journey::Column::Workspace.eq(workspace.as_str()))
        .filter(journey::Column::Version.gt(0))
        .all(db)
        .await
        .db()
}

/// A journey of any workspace whose backfill is not complete.
pub(crate) async fn to_backfill(db: &impl ConnectionTrait) -> Result<Option<Journey>> {
    journey::Entity::find().filter(journey::Column::Backfill.is_not_null()).one(db).await.db()
}

/// A new one; refused by the database when there is one of that key.
pub(crate) async fn insert(db: &impl ConnectionTrait, row: Journey) -> Result<()> {
    let key = row.key.clone();
    let inserted = journey::Entity::insert(row.into_active_model()).exec_without_returning(db).await.db();
    match inserted {
        Err(error) if error.kind == kernel::Kind::AlreadyExists => Err(Error::already_exists("journey", key)),
        other => other.map(drop),
    }
}

/// Replaces it.
pub(crate) async fn update(db: &impl ConnectionTrait, row: Journey) -> Result<()> {
    journey::Entity::update(row.into_active_model().reset_all()).exec(db).await.db().map(drop)
}

/// Removes it and its definitions.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, key: &str) -> Result<()> {
    journey::Entity::delete_by_id((workspace.to_string(), key.to_owned())).exec(db).await.db()?;
    definition::Entity::delete_many()
        .filter(definition::Column::Workspace.eq(workspace.as_str()))
        .filter(definition::Column::Journey.eq(key))
        .exec(db)
        .await
        .db()
        .map(drop)
}

/// Keeps a published definition.
pub(crate) async fn add_version(db: &impl ConnectionTrait, row: &Journey) -> Result<()> {
    let row = definition::Model {
        workspace: row.workspace.clone(),
        journey: row.key.clone(),
        version: row.version,
        body: row.draft.clone(),
    };
    definition::Entity::insert(row.into_active_model()).exec_without_returning(db).await.db().map(drop)
}

/// One published definition.
pub(crate) async fn version(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
    version: i32,
) -> Result<Option<definition::Model>> {
    definition::Entity::find_by_id((workspace.to_string(), key.to_owned(), version)).one(db).await.db()
}

/// All published definitions of a workspace.
pub(crate) async fn versions(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
) -> Result<Vec<definition::Model>> {
    definition::Entity::find().filter(definition::Column::Workspace.eq(workspace.as_str())).all(db).await.db()
}
