//! Whose the records are: remembered where merges and splits have moved them.

use std::collections::HashMap;

use kernel::{Result, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
use store::StoreResult as _;
use uuid::Uuid;

use crate::store::CHUNK;
use crate::store::row::owner;

/// The owners known of these records.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>> {
    let mut found = HashMap::new();
    for chunk in records.chunks(CHUNK) {
        let rows = owner::Entity::find()
            .filter(owner::Column::Workspace.eq(workspace.as_str()))
            .filter(owner::Column::RecordId.is_in(chunk.iter().copied()))
            .all(db)
            .await
            .db()?;
        found.extend(rows.into_iter().map(|row| (row.record_id, row.customer_id)));
    }
    Ok(found)
}

/// Assigns records to customers.
pub(crate) async fn assign(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    pairs: &[(Uuid, Uuid)],
) -> Result<()> {
    let row = |(record_id, customer_id): &(Uuid, Uuid)| {
        owner::Model { workspace: workspace.to_string(), record_id: *record_id, customer_id: *customer_id }
            .into_active_model()
    };
    let replace = OnConflict::columns([owner::Column::Workspace, owner::Column::RecordId])
        .update_column(owner::Column::CustomerId)
        .to_owned();
    for chunk in pairs.chunks(CHUNK) {
        owner::Entity::insert_many(chunk.iter().map(row))
            .on_conflict(replace.clone())
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}
