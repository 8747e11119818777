//! Table `message`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// A UUID of version 7: in the order of being queued.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub idempotency_key: String,
    /// SHA-256 of the request.
    pub digest: Vec<u8>,
    pub customer_id: Uuid,
    pub record_id: Uuid,
    /// Empty when the content was given.
    pub template: String,
    pub purpose: String,
    /// JSON: who asked, variables, event, given content.
    #[sea_orm(column_type = "Text")]
    pub request: String,
    pub cause_id: String,
    pub cause_depth: i32,
    pub trace_parent: String,
    pub created_at: i64,
    /// JSON list of keys.
    #[sea_orm(column_type = "Text")]
    pub channels: String,
    pub channel: String,
    pub state: String,
    pub reason: String,
    pub provider_id: String,
    pub tries: i32,
    /// JSON list.
    #[sea_orm(column_type = "Text")]
    pub attempts: String,
    /// JSON of what was handed over last.
    #[sea_orm(column_type = "Text", nullable)]
    pub content: Option<String>,
    pub sent_at: Option<i64>,
    pub due_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
