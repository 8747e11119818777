//! Entries that a service cannot apply: set aside with their reason, so that what comes after them goes on.

use bus::{Entry, Stream};
use kernel::{Error, Result, Workspace};
use prost::Message as _;
use sea_orm::{ConnectionTrait, EntityTrait as _, Set};

use crate::Delivery;
use crate::error::StoreResult as _;

/// The rows.
pub mod row {
    use sea_orm::entity::prelude::*;

    /// One entry set aside.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dead_letter")]
    pub struct Model {
        /// Grows with time.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// The tenant.
        pub workspace: String,
        /// The log's stream.
        pub stream: String,
        /// Where it stood.
        pub partition: i32,
        /// Where it stood.
        pub position: i64,
        /// Stable code of the error.
        pub reason: String,
        /// The error's text.
        #[sea_orm(column_type = "Text")]
        pub message: String,
        /// The entry's payload.
        pub payload: Vec<u8>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Sets one event of a batch aside within the batch's transaction, so that the rest of it goes on.
///
/// # Errors
/// When the database refuses.
pub async fn set_aside(
    db: &impl ConnectionTrait,
    stream: Stream,
    delivery: &Delivery,
    error: &Error,
) -> Result<()> {
    tracing::warn!(
        %stream, partition = delivery.partition, position = delivery.position, reason = error.reason, %error,
        "an event was set aside as a dead letter"
    );
    let place = (stream, delivery.partition, delivery.position);
    insert(db, &delivery.workspace, place, error, delivery.event.encode_to_vec()).await
}

/// Sets an entry aside.
pub(crate) async fn keep(
    db: &impl ConnectionTrait,
    stream: Stream,
    partition: u32,
    entry: &Entry,
    error: &Error,
) -> Result<()> {
    let place = (stream, partition, entry.position);
    insert(db, &entry.record.workspace, place, error, entry.record.payload.to_vec()).await
}

async fn insert(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    (stream, partition, position): (Stream, u32, u64),
    error: &Error,
    payload: Vec<u8>,
) -> Result<()> {
    let row = row::ActiveModel {
        workspace: Set(workspace.to_string()),
        stream: Set(stream.name().to_owned()),
        partition: Set(i32::try_from(partition).unwrap_or(i32::MAX)),
        position: Set(i64::try_from(position).unwrap_or(i64::MAX)),
        reason: Set(error.reason.to_owned()),
        message: Set(error.message.clone()),
        payload: Set(payload),
        ..Default::default()
    };
    row::Entity::insert(row).exec_without_returning(db).await.db()?;
    Ok(())
}
