//! What a record says about an attribute that a date trigger reads.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "statement")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attribute: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub record_id: Uuid,
    pub customer_id: Uuid,
    /// Absent: taken away.
    pub value: Option<String>,
    pub time: i64,
    pub priority: i32,
    pub said_by: String,
}

impl ActiveModelBehavior for ActiveModel {}
