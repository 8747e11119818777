//! A published definition; never changes.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "definition")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub journey: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    pub body: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
