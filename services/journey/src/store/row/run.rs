//! One customer in one journey.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: Uuid,
    pub journey: String,
    pub version: i32,
    pub customer_id: Uuid,
    /// The record of the event that started it: decides whose the run is after merges and splits.
    pub record_id: Uuid,
    /// `entering`, `ready`, `waiting` or `exited`.
    pub state: String,
    /// Of a ready one: `arriving`, `acting` or `matched`.
    pub stage: String,
    pub node: String,
    pub visit: i32,
    pub hops: i32,
    /// When it goes on by itself.
    pub wakes_at: Option<i64>,
    /// The same while its journey is not paused: what the executor looks for.
    pub due_at: Option<i64>,
    /// The awaited event; `*` while it is at work and holds what comes.
    pub waits_for: Option<String>,
    /// Id of the event that matched.
    pub matched: String,
    /// The event that started it.
    pub trigger: Vec<u8>,
    /// Events held while at work, length-delimited.
    pub held: Vec<u8>,
    /// Failed tries in a row.
    pub attempts: i32,
    /// Grows with every change: whoever read another one has read something old.
    pub revision: i64,
    pub entered_at: i64,
    pub exited_at: Option<i64>,
    pub reason: String,
}

impl ActiveModelBehavior for ActiveModel {}
