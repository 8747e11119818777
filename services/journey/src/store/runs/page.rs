//! Lists of runs, newest first.

use kernel::page::Page;
use kernel::{Error, Result, Workspace};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use store::StoreResult as _;
use uuid::Uuid;

use crate::store::row::run::{Column, Entity};
use crate::store::runs::{ENTERING, Run};

/// Which runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Of this journey.
    pub(crate) journey: Option<String>,
    /// Of this customer.
    pub(crate) customer: Option<Uuid>,
    /// In this state.
    pub(crate) state: Option<&'static str>,
    /// Behind this place.
    pub(crate) after: Option<(i64, Uuid)>,
}

/// The place of a run in a list.
pub(crate) fn place(run: &Run) -> String {
    format!("{} {}", run.entered_at, run.run_id)
}

/// Reads it back.
pub(crate) fn parse_place(text: &str) -> Result<(i64, Uuid)> {
    let read = || {
        let (time, id) = text.split_once(' ')?;
        Some((time.parse().ok()?, id.parse().ok()?))
    };
    read().ok_or_else(|| Error::invalid("page_token", "give back a next_page_token as it came"))
}

/// A page.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Run>> {
    let mut query =
        Entity::find().filter(Column::Workspace.eq(workspace.as_str())).filter(Column::State.ne(ENTERING));
    if let Some(journey) = &filter.journey {
        query = query.filter(Column::Journey.eq(journey.as_str()));
    }
    if let Some(customer) = filter.customer {
        query = query.filter(Column::CustomerId.eq(customer));
    }
    if let Some(state) = filter.state {
        query = query.filter(Column::State.eq(state));
    }
    if let Some((time, id)) = filter.after {
        let same = Condition::all().add(Column::EnteredAt.eq(time)).add(Column::RunId.gt(id));
        query = query.filter(Condition::any().add(Column::EnteredAt.lt(time)).add(same));
    }
    query.order_by_desc(Column::EnteredAt).order_by_asc(Column::RunId).limit(page.limit()).all(db).await.db()
}
