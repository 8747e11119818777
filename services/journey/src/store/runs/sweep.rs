//! Changes to all runs of a journey or of some records at once.

use kernel::{Result, Time, Workspace};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _};
use store::StoreResult as _;
use uuid::Uuid;

use crate::store::CHUNK;
use crate::store::row::{run, step};
use crate::store::runs::{ENTERING, EXITED};

/// When the runs of a journey go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Not for the time being; who was about to enter does not.
    Held,
    /// When they are to wake.
    AsPlanned,
    /// Now, to be ended.
    AtOnce(Time),
}

/// Changes when the live runs of a journey go on.
pub(crate) async fn pace(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    journey: &str,
    pace: Pace,
) -> Result<()> {
    let due = match pace {
        Pace::Held => Expr::value(Option::<i64>::None),
        Pace::AsPlanned => Expr::col(run::Column::WakesAt),
        Pace::AtOnce(now) => Expr::value(now.0),
    };
    if !matches!(pace, Pace::AsPlanned) {
        run::Entity::delete_many()
            .filter(run::Column::Workspace.eq(workspace.as_str()))
            .filter(run::Column::Journey.eq(journey))
            .filter(run::Column::State.eq(ENTERING))
            .exec(db)
            .await
            .db()?;
    }
    run::Entity::update_many()
        .col_expr(run::Column::DueAt, due)
        .col_expr(run::Column::Revision, Expr::col(run::Column::Revision).add(1))
        .filter(run::Column::Workspace.eq(workspace.as_str()))
        .filter(run::Column::Journey.eq(journey))
        .filter(run::Column::State.ne(EXITED))
        .exec(db)
        .await
        .db()
        .map(drop)
}

/// Gives the runs of records to their owner.
pub(crate) async fn move_records(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[Uuid],
    owner: Uuid,
) -> Result<()> {
    for chunk in records.chunks(CHUNK) {
        run::Entity::update_many()
            .col_expr(run::Column::CustomerId, Expr::value(owner))
            .col_expr(run::Column::Revision, Expr::col(run::Column::Revision).add(1))
            .filter(run::Column::Workspace.eq(workspace.as_str()))
            .filter(run::Column::RecordId.is_in(chunk.iter().copied()))
            .filter(run::Column::CustomerId.ne(owner))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Whether a run of the journey is under way.
pub(crate) async fn any_live(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    journey: &str,
) -> Result<bool> {
    let found = run::Entity::find()
        .filter(run::Column::Workspace.eq(workspace.as_str()))
        .filter(run::Column::Journey.eq(journey))
        .filter(run::Column::State.ne(EXITED))
        .one(db)
        .await
        .db()?;
    Ok(found.is_some())
}

/// Removes the runs and histories of a journey.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, journey: &str) -> Result<()> {
    run::Entity::delete_many()
        .filter(run::Column::Workspace.eq(workspace.as_str()))
        .filter(run::Column::Journey.eq(journey))
        .exec(db)
        .await
        .db()?;
    step::Entity::delete_many()
        .filter(step::Column::Workspace.eq(workspace.as_str()))
        .filter(step::Column::Journey.eq(journey))
        .exec(db)
        .await
        .db()
        .map(drop)
}
