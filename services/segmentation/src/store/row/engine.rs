//! One row per workspace: whoever writes holds it locked.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "engine")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    pub version: i64,
    pub next_id: i64,
}

impl ActiveModelBehavior for ActiveModel {}
