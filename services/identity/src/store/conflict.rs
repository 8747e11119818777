//! What the rules refused.

use kernel::{CustomerId, Error, Result, Time, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::CHUNK;
use super::row::conflict::{ActiveModel, Column, Entity, Model};
use crate::domain::Identifier;

/// A joining, or a value, that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Conflict {
    pub id: Uuid,
    /// What it is about; of every subject the first conflict is kept.
    pub subject: String,
    pub reason: String,
    pub identifiers: Vec<Identifier>,
    pub customers: Vec<CustomerId>,
    pub cause: String,
    pub time: Time,
    pub message: String,
}

/// Enters conflicts, but those whose subject is known.
pub(crate) async fn add(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    conflicts: &[Conflict],
) -> Result<()> {
    let skip = OnConflict::columns([Column::Workspace, Column::Subject]).do_nothing().to_owned();
    for chunk in conflicts.chunks(CHUNK) {
        let rows = chunk.iter().map(|conflict| row(workspace, conflict)).collect::<Result<Vec<_>>>()?;
        Entity::insert_many(rows).on_conflict(skip.clone()).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

/// Conflicts of a reason (empty: of every reason), newest first, older than `before`.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    reason: &str,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Conflict>> {
    let mut query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    if !reason.is_empty() {
        query = query.filter(Column::Reason.eq(reason));
    }
    if let Some(before) = before {
        query = query.filter(Column::ConflictId.lt(before));
    }
    query.order_by_desc(Column::ConflictId).limit(limit).all(db).await.db()?.into_iter().map(read).collect()
}

fn row(workspace: &Workspace, conflict: &Conflict) -> Result<ActiveModel> {
    let identifiers: Vec<_> = conflict.identifiers.iter().map(|one| (&*one.namespace, &*one.value)).collect();
    let json = |text: serde_json::Result<String>| {
        text.map_err(|cause| Error::internal("a conflict cannot be written as JSON").caused_by(cause))
    };
    Ok(ActiveModel {
        workspace: Set(workspace.to_string()),
        conflict_id: Set(conflict.id),
        subject: Set(conflict.subject.clone()),
        reason: Set(conflict.reason.clone()),
        identifiers: Set(json(serde_json::to_string(&identifiers))?),
        customers: Set(json(serde_json::to_string(&conflict.customers))?),
        cause: Set(conflict.cause.clone()),
        time: Set(conflict.time.0),
        message: Set(conflict.message.clone()),
    })
}

fn read(row: Model) -> Result<Conflict> {
    let damaged = |cause| Error::internal("a row of conflict is damaged").caused_by(cause);
    let identifiers: Vec<(String, String)> = serde_json::from_str(&row.identifiers).map_err(damaged)?;
    Ok(Conflict {
        id: row.conflict_id,
        subject: row.subject,
        reason: row.reason,
        identifiers: identifiers.iter().map(|(namespace, value)| Identifier::new(namespace, value)).collect(),
        customers: serde_json::from_str(&row.customers).map_err(damaged)?,
        cause: row.cause,
        time: Time(row.time),
        message: row.message,
    })
}
