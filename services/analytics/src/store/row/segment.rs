//! A segment: a file that counts.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "segment")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Name in the service's folder.
    #[sea_orm(primary_key, auto_increment = false)]
    pub file: String,
    /// Number of events.
    pub rows: i64,
    /// Of the earliest event, µs.
    pub first_time: i64,
    /// Of the latest event, µs.
    pub last_time: i64,
}

impl ActiveModelBehavior for ActiveModel {}
