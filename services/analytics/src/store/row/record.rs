//! A record: its number in the segments, and the customer it belongs to today.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "record")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// From 0, without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub record_id: Uuid,
    pub customer_id: Uuid,
    /// When a merge or split put it there, µs; the least number when none did.
    pub moved_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
