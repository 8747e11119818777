//! A way in.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "source")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    pub kind: String,
    /// JSON object, with the secret ones.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// SHA-256; empty for kinds without.
    pub write_key_hash: Vec<u8>,
    pub disabled: bool,
    pub priority: i32,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
