//! Answers given to idempotency keys.

use kernel::{Result, Time, Workspace};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
use store::StoreResult as _;

use super::row::answer::{Column, Entity, Model};

/// The answer to a key.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    key: &str,
) -> Result<Option<Model>> {
    Entity::find_by_id((workspace.to_string(), key.to_owned())).one(db).await.db()
}

/// Keeps an answer.
pub(crate) async fn keep(db: &impl ConnectionTrait, answer: Model) -> Result<()> {
    Entity::insert(answer.into_active_model()).exec_without_returning(db).await.db()?;
    Ok(())
}

/// Removes those given before `time`.
pub(crate) async fn forget(db: &impl ConnectionTrait, time: Time) -> Result<()> {
    Entity::delete_many().filter(Column::CreatedAt.lt(time.0)).exec(db).await.db()?;
    Ok(())
}
