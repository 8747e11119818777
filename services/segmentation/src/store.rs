//! The service's tables.

pub(crate) mod definitions;
pub(crate) mod filling;
pub(crate) mod members;
pub(crate) mod migration;
pub(crate) mod people;
pub(crate) mod row;

use sea_orm::{ActiveModelTrait, ConnectionTrait};
use store::bulk::{self, Clash};

/// Keys in one `select … in`, at the most.
const KEYS: usize = 500;
/// Rows in one statement, at the most; SQLite takes 32,766 parameters.
const ROWS: usize = 1_000;

/// Inserts rows, or replaces what stands under their keys.
pub(crate) async fn put<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    rows: impl IntoIterator<Item = A>,
) -> kernel::Result<()> {
    bulk::insert(db, rows, Clash::ReplaceAll).await
}
