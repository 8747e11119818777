//! Two records that were seen together, or joined by hand.

use sea_orm::entity::prelude::*;

/// Two records that were seen together, or joined by hand.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "link")]
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
    /// `shared_identifier` or `manual`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    /// Of the earliest evidence, µs.
    pub time: i64,
    /// The event, or the merge.
    pub cause: String,
    /// Who said so.
    pub actor: String,
    /// `joined`, `limit_exceeded` or `kept_apart`.
    pub verdict: String,
}

impl ActiveModelBehavior for ActiveModel {}
