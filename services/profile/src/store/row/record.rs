//! One identity record: its customer, what it states about the person, when it was seen.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "record")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Grows with time: the order of creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub record_id: Uuid,
    /// The customer it belongs to.
    pub customer_id: Uuid,
    /// Time of the merge or split that said so; 0 when none did.
    pub owned_since: i64,
    /// `kernel::survivorship::Attributes` as JSON.
    #[sea_orm(column_type = "Text")]
    pub attributes: String,
    /// `i64::MAX` while the customer itself has not been seen on it.
    pub first_seen: i64,
    /// `i64::MIN` while the customer itself has not been seen on it.
    pub last_seen: i64,
    /// Number of visible changes.
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}
