//! What a filling has read, and what came in meanwhile, per record.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub record_id: Uuid,
    pub past: Vec<u8>,
    pub fresh: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
