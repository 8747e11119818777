//! A journey: its draft and which version is live.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journey")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    /// `draft`, `live`, `paused` or `archived`.
    pub state: String,
    /// Of the last published definition; 0 before the first.
    pub version: i32,
    /// The definition as last written.
    pub draft: Vec<u8>,
    pub created_at: i64,
    pub updated_at: i64,
    /// Page token from which the dates of known customers are still to be read; absent when all are.
    pub backfill: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
