//! A tag on a record.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assignment")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub record_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag: String,
    /// `manual`, `rule`, `journey` or `import`.
    pub source: String,
    pub assigned_at: i64,
    /// `None`: never.
    pub expires_at: Option<i64>,
    pub reason: String,
    /// Id of the event that caused it; empty when a person did.
    pub cause: String,
}

impl ActiveModelBehavior for ActiveModel {}
