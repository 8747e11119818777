//! Customers: records, memberships, next moment of change.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    pub records: Vec<u8>,
    pub memberships: Vec<u8>,
    pub due_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
