//! A line of the history of a run.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "step")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: Uuid,
    /// Which visit of the run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub visit: i32,
    pub journey: String,
    pub node: String,
    pub time: i64,
    pub outcome: String,
    #[sea_orm(column_type = "Text")]
    pub detail: String,
}

impl ActiveModelBehavior for ActiveModel {}
