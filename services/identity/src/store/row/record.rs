//! One identifier as it was first seen, and whose it is.

use sea_orm::entity::prelude::*;

/// One identifier as it was first seen, and whose it is.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "record")]
pub(crate) struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Normalised.
    #[sea_orm(primary_key, auto_increment = false)]
    pub namespace: String,
    /// Normalised.
    #[sea_orm(primary_key, auto_increment = false)]
    pub value: String,
    /// Never changes.
    pub record_id: Uuid,
    /// Whose it is now.
    pub customer_id: Uuid,
    /// Whether a customer was founded with it; its id is the record's.
    pub founder: bool,
    /// µs.
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
