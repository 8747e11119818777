//! Refused events: kept with their reason, listed, tried again, forgotten.

use kernel::page::Page;
use kernel::{Result, Time, Workspace};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::row::failed_event as row;

pub(crate) use row::Model as FailedEvent;

/// Rows of one statement at the most: nine columns each, within what every database takes.
const CHUNK: usize = 500;

/// Which of them; empty members leave everything in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) source_key: String,
    pub(crate) reason: String,
    pub(crate) from: Option<Time>,
    pub(crate) to: Option<Time>,
    pub(crate) ids: Vec<Uuid>,
}

impl Filter {
    fn condition(&self, workspace: &Workspace) -> Condition {
        let mut condition = Condition::all().add(row::Column::Workspace.eq(workspace.as_str()));
        if !self.source_key.is_empty() {
            condition = condition.add(row::Column::SourceKey.eq(self.source_key.as_str()));
        }
        if !self.reason.is_empty() {
            condition = condition.add(row::Column::Reason.eq(self.reason.as_str()));
        }
        if let Some(from) = self.from {
            condition = condition.add(row::Column::FailedAt.gte(from.0));
        }
        if let Some(to) = self.to {
            condition = condition.add(row::Column::FailedAt.lt(to.0));
        }
        if !self.ids.is_empty() {
            condition = condition.add(row::Column::Id.is_in(self.ids.iter().copied()));
        }
        condition
    }
}

/// Keeps some.
pub(crate) async fn insert(db: &impl ConnectionTrait, rows: Vec<FailedEvent>) -> Result<()> {
    let mut rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
    loop {
        let chunk: Vec<row::ActiveModel> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        row::Entity::insert_many(chunk).exec_without_returning(db).await.db()?;
    }
}

/// One page, oldest first.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<FailedEvent>> {
    let mut query = row::Entity::find().filter(filter.condition(workspace));
    if let Some(after) = page.after.as_ref().and_then(|after| Uuid::try_parse(after).ok()) {
        query = query.filter(row::Column::Id.gt(after));
    }
    query.order_by_asc(row::Column::Id).limit(page.limit()).all(db).await.db()
}

/// Removes some of a workspace.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, ids: &[Uuid]) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        row::Entity::delete_many()
            .filter(row::Column::Workspace.eq(workspace.as_str()))
            .filter(row::Column::Id.is_in(chunk.iter().copied()))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Removes what failed before `before`, of all workspaces.
pub(crate) async fn forget_before(db: &impl ConnectionTrait, before: Time) -> Result<()> {
    row::Entity::delete_many().filter(row::Column::FailedAt.lt(before.0)).exec(db).await.db()?;
    Ok(())
}

/// The workspaces that have any.
pub(crate) async fn workspaces(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    row::Entity::find()
        .select_only()
        .column(row::Column::Workspace)
        .distinct()
        .into_tuple()
        .all(db)
        .await
        .db()
}

/// Removes the oldest of a workspace beyond the `max` newest.
pub(crate) async fn trim(db: &impl ConnectionTrait, workspace: &str, max: u64) -> Result<()> {
    let newest_to_go: Option<Uuid> = row::Entity::find()
        .filter(row::Column::Workspace.eq(workspace))
        .select_only()
        .column(row::Column::Id)
        .order_by_desc(row::Column::Id)
        .offset(max)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
        .db()?;
    let Some(newest_to_go) = newest_to_go else { return Ok(()) };
    row::Entity::delete_many()
        .filter(row::Column::Workspace.eq(workspace))
        .filter(row::Column::Id.lte(newest_to_go))
        .exec(db)
        .await
        .db()?;
    Ok(())
}
