//! The register: which segments there are and who each record belongs to, with the place in the log in one transaction.
//!
//! Whoever writes here holds the lease ([`crate::current`]): its units of work are pinned to it.

pub(crate) mod migration;
mod row;

use bus::{Entry, Stream};
use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set};
use store::position::Position;
use store::{Database, StoreResult as _, dead_letter};

use crate::engine::compact::Compacted;
use crate::engine::people::Placement;
use crate::engine::segment::SegmentMeta;
use crate::engine::{Flush, Registered};
use row::{record, segment};

/// Rows of one statement: five values each, and SQLite takes 32,766.
const CHUNK: usize = 2_000;

/// What was read since the last flush, besides what the engine holds.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// By partition.
    pub(crate) positions: Vec<Position>,
    /// Entries that the engine would not take, with their partition.
    pub(crate) refused: Vec<(u32, Entry, Error)>,
    /// Dead letters that it took when they were given again.
    pub(crate) taken: Vec<i64>,
}

/// All segments, in the order of their names.
pub(crate) async fn segments(db: &impl ConnectionTrait) -> Result<Vec<SegmentMeta>> {
    let ordered =
        segment::Entity::find().order_by_asc(segment::Column::Workspace).order_by_asc(segment::Column::File);
    let rows = ordered.all(db).await.db()?;
    let meta = |row: segment::Model| SegmentMeta {
        workspace: Workspace::new(row.workspace),
        file: row.file,
        rows: u64::try_from(row.rows).unwrap_or(0),
        first: Time(row.first_time),
        last: Time(row.last_time),
    };
    Ok(rows.into_iter().map(meta).collect())
}

/// Everything registered, and the place in the log of so many partitions that belongs to it.
pub(crate) async fn load(db: &Database, partitions: usize) -> Result<(Registered, Vec<Position>)> {
    let unit = db.begin().await?;
    let found = (registered(unit.db()).await?, places(unit.db(), partitions).await?);
    unit.roll_back().await?;
    Ok(found)
}

/// The same for who holds no lease: whoever does is not kept from writing, so it is looked again until nothing has changed
/// in between.
pub(crate) async fn glance(db: &Database, partitions: usize) -> Result<(Registered, Vec<Position>)> {
    loop {
        let before = places(db.read(), partitions).await?;
        let found = registered(db.read()).await?;
        if places(db.read(), partitions).await? == before && segments(db.read()).await? == found.segments {
            return Ok((found, before));
        }
    }
}

async fn registered(db: &impl ConnectionTrait) -> Result<Registered> {
    let mut registered = Registered { segments: segments(db).await?, ..Registered::default() };
    let ordered =
        record::Entity::find().order_by_asc(record::Column::Workspace).order_by_asc(record::Column::Number);
    for row in ordered.all(db).await.db()? {
        let place = Placement {
            number: u32::try_from(row.number).unwrap_or(u32::MAX),
            record: RecordId(row.record_id),
            customer: CustomerId(row.customer_id),
            moved: Time(row.moved_at),
        };
        registered.placements.entry(Workspace::new(row.workspace)).or_default().push(place);
    }
    Ok(registered)
}

/// Registers a flush and the place in the log it leads to, sets aside what was refused on the way, and forgets the dead
/// letters that were taken. The same flush once more changes nothing.
pub(crate) async fn register_flush(db: &Database, flush: &Flush, read: &Read) -> Result<()> {
    let unit = db.begin().await?;
    if places(unit.db(), read.positions.len()).await? == read.positions && knows(unit.db(), flush).await? {
        // A commit that was reported as failed.
        return unit.roll_back().await;
    }
    for (partition, entry, error) in &read.refused {
        dead_letter::keep(unit.db(), Stream::Events, *partition, entry, error).await?;
    }
    for letter in &read.taken {
        dead_letter::forget(unit.db(), *letter).await?;
    }
    add_segments(unit.db(), flush.segments()).await?;
    for (workspace, placements) in &flush.placements {
        for chunk in placements.chunks(CHUNK) {
            save_places(unit.db(), workspace, chunk).await?;
        }
    }
    for (partition, position) in (0..).zip(&read.positions) {
        position.save(unit.db(), Stream::Events, partition).await?;
    }
    unit.commit().await
}

/// The registered place in each of so many partitions.
pub(crate) async fn places(db: &impl ConnectionTrait, partitions: usize) -> Result<Vec<Position>> {
    let mut positions = Vec::new();
    for (partition, _) in (0..).zip(0..partitions) {
        positions.push(Position::load(db, Stream::Events, partition).await?);
    }
    Ok(positions)
}

/// Whether the segments of a flush are registered: dead letters that were taken again move no place in the log.
async fn knows(db: &impl ConnectionTrait, flush: &Flush) -> Result<bool> {
    let Some(first) = flush.segments().next() else { return Ok(true) };
    let key = (first.workspace.to_string(), first.file.clone());
    Ok(segment::Entity::find_by_id(key).one(db).await.db()?.is_some())
}

/// Registers a segment in the place of those it was made of. Once more changes nothing.
pub(crate) async fn register_compacted(db: &Database, compacted: &Compacted) -> Result<()> {
    let unit = db.begin().await?;
    segment::Entity::delete_many()
        .filter(segment::Column::Workspace.eq(compacted.added().workspace.as_str()))
        .filter(segment::Column::File.is_in(compacted.removed.iter().map(String::as_str)))
        .exec(unit.db())
        .await
        .db()?;
    add_segments(unit.db(), std::iter::once(compacted.added())).await?;
    unit.commit().await
}

async fn add_segments(db: &impl ConnectionTrait, segments: impl Iterator<Item = &SegmentMeta>) -> Result<()> {
    let rows: Vec<_> = segments
        .map(|meta| segment::ActiveModel {
            workspace: Set(meta.workspace.to_string()),
            file: Set(meta.file.clone()),
            rows: Set(i64::try_from(meta.rows).unwrap_or(i64::MAX)),
            first_time: Set(meta.first.0),
            last_time: Set(meta.last.0),
        })
        .collect();
    if !rows.is_empty() {
        let known =
            OnConflict::columns([segment::Column::Workspace, segment::Column::File]).do_nothing().to_owned();
        segment::Entity::insert_many(rows).on_conflict(known).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

async fn save_places(db: &impl ConnectionTrait, workspace: &Workspace, places: &[Placement]) -> Result<()> {
    let rows = places.iter().map(|place| record::ActiveModel {
        workspace: Set(workspace.to_string()),
        number: Set(i64::from(place.number)),
        record_id: Set(place.record.0),
        customer_id: Set(place.customer.0),
        moved_at: Set(place.moved.0),
    });
    let replace = OnConflict::columns([record::Column::Workspace, record::Column::Number])
        .update_columns([record::Column::CustomerId, record::Column::MovedAt])
        .to_owned();
    record::Entity::insert_many(rows).on_conflict(replace).exec_without_returning(db).await.db()?;
    Ok(())
}

#[cfg(test)]
mod tests;
