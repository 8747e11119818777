//! Counters of journeys: exact, because they change in the transaction of what they count.

use std::collections::BTreeMap;

use kernel::{Result, Workspace};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
use store::StoreResult as _;

use crate::store::CHUNK;
use crate::store::row::tally::{self, Column, Entity};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// Runs that were let in.
    Entered,
    /// Comings to a node.
    Arrived,
    /// Goings from a node.
    Left,
    /// Ends by reason.
    Exited,
}

impl Counted {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Arrived => "arrived",
            Self::Left => "left",
            Self::Exited => "exited",
        }
    }
}

/// Counts to be added, by workspace, journey, version, kind and name.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    counts: BTreeMap<(String, String, i32, Counted, String), i64>,
}

impl Tallies {
    /// One more.
    pub(crate) fn add(
        &mut self,
        (workspace, journey, version): (&str, &str, i32),
        kind: Counted,
        name: &str,
    ) {
        let key = (workspace.to_owned(), journey.to_owned(), version, kind, name.to_owned());
        *self.counts.entry(key).or_default() += 1;
    }

    /// Adds them to what is kept.
    pub(crate) async fn save(self, db: &impl ConnectionTrait) -> Result<()> {
        let rows: Vec<_> = self
            .counts
            .into_iter()
            .map(|((workspace, journey, version, kind, name), count)| {
                let kind = kind.name().to_owned();
                tally::Model { workspace, journey, version, kind, name, count }.into_active_model()
            })
            .collect();
        let sum = Expr::col((Entity, Column::Count)).add(Expr::col(("excluded", Column::Count)));
        let key = [Column::Workspace, Column::Journey, Column::Version, Column::Kind, Column::Name];
        let add = OnConflict::columns(key).value(Column::Count, sum).to_owned();
        for chunk in rows.chunks(CHUNK) {
            Entity::insert_many(chunk.iter().cloned())
                .on_conflict(add.clone())
                .exec_without_returning(db)
                .await
                .db()?;
        }
        Ok(())
    }
}

/// The counters of a journey, of one version or (0) of all.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    journey: &str,
    version: i32,
) -> Result<Vec<tally::Model>> {
    let mut query =
        Entity::find().filter(Column::Workspace.eq(workspace.as_str())).filter(Column::Journey.eq(journey));
    if version != 0 {
        query = query.filter(Column::Version.eq(version));
    }
    query.all(db).await.db()
}

/// Removes the counters of a journey.
pub(crate) async fn delete(db: &impl ConnectionTrait, workspace: &Workspace, journey: &str) -> Result<()> {
    Entity::delete_many()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::Journey.eq(journey))
        .exec(db)
        .await
        .db()
        .map(drop)
}
