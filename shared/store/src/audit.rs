//! The audit log: who changed what by hand, from what to what. Rows are written in the unit of work that makes the
//! change, are never changed, and are never deleted by the service (see `migration/audit.rs`).

use kernel::page::Page;
use kernel::{Error, Ids, Result, Time, Workspace};
use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};

use crate::error::StoreResult as _;

/// The rows.
pub mod row {
    use sea_orm::entity::prelude::*;

    /// One change.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        /// Grows with time.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The tenant.
        pub workspace: String,
        /// Microseconds since 1970.
        pub time: i64,
        /// Subject of the caller's token.
        pub actor: String,
        /// Full name of the method, such as `guanxi.profile.v1.TagService/CreateTag`.
        pub method: String,
        /// Such as `tag`.
        pub resource_kind: String,
        /// Its key or id.
        pub resource_id: String,
        /// A JSON object; `None` when it was created.
        #[sea_orm(column_type = "Text", nullable)]
        pub before: Option<String>,
        /// A JSON object; `None` when it was deleted.
        #[sea_orm(column_type = "Text", nullable)]
        pub after: Option<String>,
        /// Empty without one.
        pub trace_id: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Rows in one statement.
const CHUNK: usize = 500;

/// A change that was made by hand. Secrets are hidden already; see `chassis::audit`, which makes it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The tenant.
    pub workspace: Workspace,
    /// Subject of the caller's token.
    pub actor: String,
    /// Full name of the method.
    pub method: String,
    /// Such as `tag`.
    pub resource_kind: String,
    /// Its key or id.
    pub resource_id: String,
    /// A JSON object; `None` when it was created.
    pub before: Option<String>,
    /// A JSON object; `None` when it was deleted.
    pub after: Option<String>,
    /// Empty without one.
    pub trace_id: String,
}

/// Which entries of a workspace are wanted. What is empty allows everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// From this moment on.
    pub from: Option<Time>,
    /// Before this moment.
    pub to: Option<Time>,
    /// By this caller.
    pub actor: String,
    /// By this method.
    pub method: String,
    /// Of this kind.
    pub resource_kind: String,
    /// Of this key or id.
    pub resource_id: String,
}

/// Writes what a unit of work has changed.
pub(crate) async fn insert(db: &impl ConnectionTrait, ids: &Ids, entries: Vec<Entry>) -> Result<()> {
    let now = ids.clock().now();
    let rows: Vec<row::ActiveModel> =
        entries.into_iter().map(|entry| to_row(ids.next(), now, entry)).collect();
    for chunk in rows.chunks(CHUNK) {
        row::Entity::insert_many(chunk.to_vec()).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

fn to_row(id: Uuid, now: Time, entry: Entry) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(id),
        workspace: Set(entry.workspace.to_string()),
        time: Set(now.0),
        actor: Set(entry.actor),
        method: Set(entry.method),
        resource_kind: Set(entry.resource_kind),
        resource_id: Set(entry.resource_id),
        before: Set(entry.before),
        after: Set(entry.after),
        trace_id: Set(entry.trace_id),
    }
}

/// The page's entries and one more, newest first; a page goes on after the id of the last entry before.
///
/// # Errors
/// [`kernel::Kind::Invalid`] for a page token that is none of these; when the database refuses.
pub async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<row::Model>> {
    use row::Column;
    let mut query = row::Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    for (column, wanted) in [
        (Column::Actor, &filter.actor),
        (Column::Method, &filter.method),
        (Column::ResourceKind, &filter.resource_kind),
        (Column::ResourceId, &filter.resource_id),
    ] {
        if !wanted.is_empty() {
            query = query.filter(column.eq(wanted.as_str()));
        }
    }
    if let Some(from) = filter.from {
        query = query.filter(Column::Time.gte(from.0));
    }
    if let Some(to) = filter.to {
        query = query.filter(Column::Time.lt(to.0));
    }
    if let Some(last) = &page.after {
        let foreign = |_| Error::invalid("page_token", "give back a next_page_token as it came");
        query = query.filter(Column::Id.lt(Uuid::try_parse(last).map_err(foreign)?));
    }
    query.order_by_desc(Column::Id).limit(page.limit()).all(db).await.db()
}
