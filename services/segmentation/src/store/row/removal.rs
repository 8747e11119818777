//! Deleted segments whose members have not all been told.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "removal")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i64,
    pub key: String,
    pub name: String,
    pub kind: String,
}

impl ActiveModelBehavior for ActiveModel {}
