//! A customer that a merge concerned.

use sea_orm::entity::prelude::*;

/// A customer that a merge concerned.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "merge_side")]
pub(crate) struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// At that time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: Uuid,
    /// Which merge.
    #[sea_orm(primary_key, auto_increment = false)]
    pub merge_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}
