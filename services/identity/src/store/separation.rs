//! What people set apart.

use kernel::{MergeId, RecordId, Result, Time, Workspace};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, QueryFilter as _, Set};
use store::StoreResult as _;

use super::row::separation::{ActiveModel, Column, Entity, Model};
use crate::domain::graph::Separation;

/// All of a workspace.
pub(crate) async fn all(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Vec<Model>> {
    Entity::find().filter(Column::Workspace.eq(workspace.as_str())).all(db).await.db()
}

/// As the domain knows it.
pub(crate) fn separation(row: &Model) -> Separation {
    Separation { a: RecordId(row.a), b: RecordId(row.b), lifted: row.lifted.map(Time) }
}

/// Keeps what undoing `merge` set apart.
pub(crate) async fn add(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    merge: MergeId,
    (actor, now): (&str, Time),
    pairs: &[Separation],
) -> Result<()> {
    let rows = pairs.iter().map(|pair| ActiveModel {
        workspace: Set(workspace.to_string()),
        a: Set(pair.a.0),
        b: Set(pair.b.0),
        merge_id: Set(merge.0),
        actor: Set(actor.to_owned()),
        time: Set(now.0),
        lifted: Set(None),
    });
    Entity::insert_many(rows).exec_without_returning(db).await.db()?;
    Ok(())
}

/// Notes that a person joined these again.
pub(crate) async fn lift(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    pairs: &[Separation],
) -> Result<()> {
    for pair in pairs {
        Entity::update_many()
            .col_expr(Column::Lifted, Expr::value(pair.lifted.map(|time| time.0)))
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::A.eq(pair.a.0))
            .filter(Column::B.eq(pair.b.0))
            .filter(Expr::col(Column::Lifted).is_null())
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}
