//! The ledger of merges.

use kernel::{CustomerId, Error, MergeId, RecordId, Result, Time, Workspace};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;
use uuid::Uuid;

use super::CHUNK;
use super::row::{merge, merge_side};
use crate::domain::{LinkKey, Rule};

/// A joining of customers.
#[derive(Clone, Debug)]
pub(crate) struct Merge {
    pub id: MergeId,
    pub survivor: CustomerId,
    pub merged: Vec<CustomerId>,
    /// The event; empty when a person merged.
    pub cause: String,
    pub rule: Rule,
    pub actor: String,
    pub time: Time,
    pub reason: String,
    pub undone: bool,
    pub links: Vec<LinkKey>,
}

impl Merge {
    /// Survivor first.
    pub(crate) fn sides(&self) -> impl Iterator<Item = CustomerId> {
        std::iter::once(self.survivor).chain(self.merged.iter().copied())
    }
}

/// Enters merges.
pub(crate) async fn add(db: &impl ConnectionTrait, workspace: &Workspace, merges: &[Merge]) -> Result<()> {
    for chunk in merges.chunks(CHUNK) {
        let rows = chunk.iter().map(|merge| row(workspace, merge)).collect::<Result<Vec<_>>>()?;
        merge::Entity::insert_many(rows).exec_without_returning(db).await.db()?;
        let sides: Vec<_> = chunk
            .iter()
            .flat_map(|merge| merge.sides().map(|side| (side, merge.id)))
            .map(|(side, id)| merge_side::ActiveModel {
                workspace: Set(workspace.to_string()),
                customer_id: Set(side.0),
                merge_id: Set(id.0),
            })
            .collect();
        for rows in sides.chunks(CHUNK) {
            merge_side::Entity::insert_many(rows.to_vec()).exec_without_returning(db).await.db()?;
        }
    }
    Ok(())
}

/// One merge.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    id: MergeId,
) -> Result<Option<Merge>> {
    let row = merge::Entity::find_by_id((workspace.to_string(), id.0)).one(db).await.db()?;
    row.map(read).transpose()
}

/// Notes that a merge was taken back.
pub(crate) async fn note_undone(db: &impl ConnectionTrait, workspace: &Workspace, id: MergeId) -> Result<()> {
    merge::Entity::update_many()
        .col_expr(merge::Column::Undone, Expr::value(true))
        .filter(merge::Column::Workspace.eq(workspace.as_str()))
        .filter(merge::Column::MergeId.eq(id.0))
        .exec(db)
        .await
        .db()?;
    Ok(())
}

/// Merges that concerned any of these customers, newest first, older than `before`.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    customers: &[CustomerId],
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Merge>> {
    let mut ids = merge_side::Entity::find()
        .select_only()
        .column(merge_side::Column::MergeId)
        .distinct()
        .filter(merge_side::Column::Workspace.eq(workspace.as_str()))
        .filter(merge_side::Column::CustomerId.is_in(customers.iter().map(|customer| customer.0)))
        .order_by_desc(merge_side::Column::MergeId)
        .limit(limit);
    if let Some(before) = before {
        ids = ids.filter(merge_side::Column::MergeId.lt(before));
    }
    let ids: Vec<Uuid> = ids.into_tuple().all(db).await.db()?;
    let rows = merge::Entity::find()
        .filter(merge::Column::Workspace.eq(workspace.as_str()))
        .filter(merge::Column::MergeId.is_in(ids))
        .order_by_desc(merge::Column::MergeId);
    rows.all(db).await.db()?.into_iter().map(read).collect()
}

fn row(workspace: &Workspace, merge: &Merge) -> Result<merge::ActiveModel> {
    let links: Vec<_> = merge.links.iter().map(|key| (key.a, key.b, key.rule.name())).collect();
    Ok(merge::ActiveModel {
        workspace: Set(workspace.to_string()),
        merge_id: Set(merge.id.0),
        survivor: Set(merge.survivor.0),
        merged: Set(json(&merge.merged)?),
        cause: Set(merge.cause.clone()),
        rule: Set(merge.rule.name().to_owned()),
        actor: Set(merge.actor.clone()),
        time: Set(merge.time.0),
        reason: Set(merge.reason.clone()),
        undone: Set(merge.undone),
        links: Set(json(&links)?),
    })
}

fn read(row: merge::Model) -> Result<Merge> {
    let damaged = || Error::internal("a row of merge is damaged");
    let links: Vec<(RecordId, RecordId, String)> = serde_json::from_str(&row.links).map_err(|_| damaged())?;
    let key = |(a, b, rule): (RecordId, RecordId, String)| Some(LinkKey { a, b, rule: Rule::read(&rule)? });
    Ok(Merge {
        id: MergeId(row.merge_id),
        survivor: CustomerId(row.survivor),
        merged: serde_json::from_str(&row.merged).map_err(|_| damaged())?,
        cause: row.cause,
        rule: Rule::read(&row.rule).ok_or_else(damaged)?,
        actor: row.actor,
        time: Time(row.time),
        reason: row.reason,
        undone: row.undone,
        links: links.into_iter().map(key).collect::<Option<_>>().ok_or_else(damaged)?,
    })
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|cause| Error::internal("ids cannot be written as JSON").caused_by(cause))
}
