//! Entries that a service cannot apply: set aside with their reason, so that what comes after them goes on.

use bus::{Entry, Stream};
use kernel::{Error, Result};
use sea_orm::{ConnectionTrait, EntityTrait as _, Set};

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

/// Sets an entry aside.
pub(crate) async fn keep(
    db: &impl ConnectionTrait,
    stream: Stream,
    partition: u32,
    entry: &Entry,
    error: &Error,
) -> Result<()> {
    let row = row::ActiveModel {
        workspace: Set(entry.record.workspace.to_string()),
        stream: Set(stream.name().to_owned()),
        partition: Set(i32::try_from(partition).unwrap_or(i32::MAX)),
        position: Set(i64::try_from(entry.position).unwrap_or(i64::MAX)),
        reason: Set(error.reason.to_owned()),
        message: Set(error.message.clone()),
        payload: Set(entry.record.payload.to_vec()),
        ..Default::default()
    };
    row::Entity::insert(row).exec_without_returning(db).await.db()?;
    Ok(())
}
