//! A joining, or a value, that the rules refused.

use sea_orm::entity::prelude::*;

/// A joining, or a value, that the rules refused.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conflict")]
pub(crate) struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Sorts by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub conflict_id: Uuid,
    /// What it is about; reported once.
    pub subject: String,
    /// `limit_exceeded`, `kept_apart` or `blocked_value`.
    pub reason: String,
    /// JSON: pairs of namespace and value.
    #[sea_orm(column_type = "Text")]
    pub identifiers: String,
    /// JSON: ids.
    #[sea_orm(column_type = "Text")]
    pub customers: String,
    /// The event.
    pub cause: String,
    /// µs.
    pub time: i64,
    /// For people.
    #[sea_orm(column_type = "Text")]
    pub message: String,
}

impl ActiveModelBehavior for ActiveModel {}
