//! When a customer enters a journey with a date trigger the next time.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "occurrence")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub journey: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    pub record_id: Uuid,
    /// The date as the attribute has it.
    pub value: String,
    pub due_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
