//! Keys of events that were accepted: a projection of the raw log, so that it need not be kept or read for the whole
//! window. Of all workspaces: a key is a hash that includes the workspace.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "seen_block")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Days since 1970 (UTC) at which they were accepted.
    pub day: i32,
    /// 16 bytes for each.
    pub keys: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
