//! A joining of customers.

use sea_orm::entity::prelude::*;

/// A joining of customers.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "merge")]
pub(crate) struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Sorts by time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub merge_id: Uuid,
    /// Kept its id.
    pub survivor: Uuid,
    /// JSON: ids that became aliases.
    #[sea_orm(column_type = "Text")]
    pub merged: String,
    /// The event; empty when a person merged.
    pub cause: String,
    /// As in `link`.
    pub rule: String,
    /// Who.
    pub actor: String,
    /// µs.
    pub time: i64,
    /// What the person gave.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    /// Whether it was taken back.
    pub undone: bool,
    /// JSON: the links that joined.
    #[sea_orm(column_type = "Text")]
    pub links: String,
}

impl ActiveModelBehavior for ActiveModel {}
