//! Table `channel`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "channel")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    pub kind: String,
    /// JSON, without secrets.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// JSON. Rows of this table are never logged; `domain::Channel` hides them.
    #[sea_orm(column_type = "Text")]
    pub secrets: String,
    pub rate: String,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
