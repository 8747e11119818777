//! An event that was refused.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failed_event")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// A version 7 UUID: grows with time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub source_key: String,
    pub reason: String,
    #[sea_orm(column_type = "Text")]
    pub message: String,
    pub failed_at: i64,
    /// `call` (of the tracking API) or `event` (an event in our own form).
    pub form: String,
    /// JSON, as it arrived.
    pub payload: Vec<u8>,
    /// The encoded event, as far as it was understood.
    pub event: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
