//! Entries that a service cannot apply: set aside with their reason, so that what comes after them goes on. An operator
//! looks at them, gives them to the service again once the cause is mended, or discards them.

mod by_hand;

use bus::{Entry, Stream};
use kernel::{Error, Result, Workspace};
use prost::Message as _;
use sea_orm::sea_query::Condition;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
};

pub use self::by_hand::{Act, act};
use crate::Delivery;
use crate::error::StoreResult as _;

/// The rows.
pub mod row {
    use sea_orm::entity::prelude::*;

    /// One entry set aside.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dead_letter")]
    pub struct Model {
        /// Grows with time.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// The tenant.
        pub workspace: String,
        /// The log's stream.
        pub stream: String,
        /// Where it stood.
        pub partition: i32,
        /// Where it stood.
        pub position: i64,
        /// Stable code of the error.
        pub reason: String,
        /// The error's text.
        #[sea_orm(column_type = "Text")]
        pub message: String,
        /// The entry's payload.
        pub payload: Vec<u8>,
        /// It is to be given to the service again.
        pub redrive: bool,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Sets one event of a batch aside within the batch's transaction, so that the rest of it goes on.
///
/// # Errors
/// When the database refuses.
pub async fn set_aside(
    db: &impl ConnectionTrait,
    stream: Stream,
    delivery: &Delivery,
    error: &Error,
) -> Result<()> {
    tracing::warn!(
        %stream, partition = delivery.partition, position = delivery.position, reason = error.reason, %error,
        "an event was set aside as a dead letter"
    );
    let place = (stream, delivery.partition, delivery.position);
    insert(db, &delivery.workspace, place, error, delivery.event.encode_to_vec()).await
}

/// Sets an entry aside as it stands on the log, within the transaction that passes it by.
///
/// # Errors
/// When the database refuses.
pub async fn keep(
    db: &impl ConnectionTrait,
    stream: Stream,
    partition: u32,
    entry: &Entry,
    error: &Error,
) -> Result<()> {
    let place = (stream, partition, entry.position);
    insert(db, &entry.record.workspace, place, error, entry.record.payload.to_vec()).await
}

/// Which of them; every one by default.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Of this tenant.
    pub workspace: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// With one of these ids; none: with any.
    pub ids: Vec<i64>,
}

impl Choice {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.workspace.as_ref().map(|workspace| row::Column::Workspace.eq(workspace)))
            .add_option(self.reason.as_ref().map(|reason| row::Column::Reason.eq(reason)))
            .add_option((!self.ids.is_empty()).then(|| row::Column::Id.is_in(self.ids.iter().copied())))
    }
}

/// Those behind the id `after`, in the order in which they were set aside.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &impl ConnectionTrait,
    choice: &Choice,
    after: i64,
    limit: u64,
) -> Result<Vec<row::Model>> {
    let chosen = row::Entity::find().filter(choice.condition()).filter(row::Column::Id.gt(after));
    chosen.order_by_asc(row::Column::Id).limit(limit).all(db).await.db()
}

/// Those of a partition that are to be taken again; see [`Delivery::of_letter`].
///
/// # Errors
/// When the database refuses.
pub async fn asked(
    db: &impl ConnectionTrait,
    stream: Stream,
    partition: u32,
    limit: u64,
) -> Result<Vec<row::Model>> {
    let asked = row::Entity::find()
        .filter(row::Column::Redrive.eq(true))
        .filter(row::Column::Stream.eq(stream.name()))
        .filter(row::Column::Partition.eq(i32::try_from(partition).unwrap_or(i32::MAX)));
    asked.order_by_asc(row::Column::Id).limit(limit).all(db).await.db()
}

/// It was taken.
///
/// # Errors
/// When the database refuses.
pub async fn forget(db: &impl ConnectionTrait, id: i64) -> Result<()> {
    row::Entity::delete_by_id(id).exec(db).await.db().map(drop)
}

/// It was not taken this time either.
///
/// # Errors
/// When the database refuses.
pub async fn keep_again(db: &impl ConnectionTrait, letter: row::Model, error: &Error) -> Result<()> {
    let mut row = letter.into_active_model();
    row.reason = Set(error.reason.to_owned());
    row.message = Set(error.message.clone());
    row.redrive = Set(false);
    row::Entity::update(row).exec(db).await.db().map(drop)
}

async fn insert(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    (stream, partition, position): (Stream, u32, u64),
    error: &Error,
    payload: Vec<u8>,
) -> Result<()> {
    let row = row::ActiveModel {
        workspace: Set(workspace.to_string()),
        stream: Set(stream.name().to_owned()),
        partition: Set(i32::try_from(partition).unwrap_or(i32::MAX)),
        position: Set(i64::try_from(position).unwrap_or(i64::MAX)),
        reason: Set(error.reason.to_owned()),
        message: Set(error.message.clone()),
        payload: Set(payload),
        ..Default::default()
    };
    row::Entity::insert(row).exec_without_returning(db).await.db()?;
    Ok(())
}
