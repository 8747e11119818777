//! Two records that a person set apart.

use sea_orm::entity::prelude::*;

/// Two records that a person set apart.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "separation")]
pub(crate) struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// The older record.
    #[sea_orm(primary_key, auto_increment = false)]
    pub a: Uuid,
    /// The newer record.
    #[sea_orm(primary_key, auto_increment = false)]
    pub b: Uuid,
    /// The merge that was undone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub merge_id: Uuid,
    /// Who.
    pub actor: String,
    /// When, µs.
    pub time: i64,
    /// Evidence from here on may join them again, µs.
    pub lifted: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
