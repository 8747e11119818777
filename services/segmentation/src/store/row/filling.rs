//! The filling of series from history that is under way, per workspace.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "filling")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    pub run: i64,
    pub merging: bool,
    #[sea_orm(column_type = "Text")]
    pub series: String,
    #[sea_orm(column_type = "Text")]
    pub positions: String,
    pub merged_to: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
