//! Counters, kept in the transactions of what they count.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tally")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub journey: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// `entered` (runs), `arrived` and `left` (by node), `exited` (by reason).
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub count: i64,
}

impl ActiveModelBehavior for ActiveModel {}
