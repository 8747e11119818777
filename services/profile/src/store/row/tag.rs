//! The definition of a tag.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tag")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    /// The group it is shown under.
    pub family: String,
    pub exclusive: bool,
    /// How long an assignment lasts, in microseconds; 0: for ever.
    pub ttl: i64,
    pub owner: String,
    /// Empty: by hand only.
    #[sea_orm(column_type = "Text")]
    pub condition: String,
    /// `pending` (its condition is being set up), `live` or `deleted` (its assignments are being removed).
    pub state: String,
    /// Assignments that no longer fit the definition are being removed.
    pub sweeping: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
