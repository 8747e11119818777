//! Table `reply_window`: the last occurrence of each trigger per account and user.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reply_window")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub app_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub openid: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub trigger: String,
    pub opened_at: i64,
    pub used: i32,
}

impl ActiveModelBehavior for ActiveModel {}
