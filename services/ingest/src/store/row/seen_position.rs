//! Up to where the raw log stands in `seen_block`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "seen_position")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub partition: i32,
    /// The first position that does not.
    pub position: i64,
    /// Highest sequence number used so far.
    pub sequence: i64,
}

impl ActiveModelBehavior for ActiveModel {}
