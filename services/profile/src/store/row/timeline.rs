//! One event of a record, as it stood on the log.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "timeline")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub record_id: Uuid,
    /// When it happened.
    #[sea_orm(primary_key, auto_increment = false)]
    pub time: i64,
    /// Partition and position on the log: unique, and in the order of arrival within a partition.
    #[sea_orm(primary_key, auto_increment = false)]
    pub arrival: i64,
    pub name: String,
    /// The encoded `guanxi.event.v1.Event`.
    pub event: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
