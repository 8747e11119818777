//! The register: which segments there are and who each record belongs to, with the place in the log in one transaction.

pub(crate) mod migration;
mod row;

use bus::Stream;
use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set};
use store::position::Position;
use store::{Database, Delivery, StoreResult as _, dead_letter};

use crate::engine::compact::Compacted;
use crate::engine::people::Placement;
use crate::engine::segment::SegmentMeta;
use crate::engine::{Flush, Registered};
use row::{record, segment};

/// Rows of one statement: five values each, and SQLite takes 32,766.
const CHUNK: usize = 2_000;

/// Everything registered.
pub(crate) async fn load(db: &Database) -> Result<Registered> {
    let mut registered = Registered::default();
    for row in segment::Entity::find().all(db.read()).await.db()? {
        registered.segments.push(SegmentMeta {
            workspace: Workspace::new(row.workspace),
            file: row.file,
            rows: u64::try_from(row.rows).unwrap_or(0),
            first: Time(row.first_time),
            last: Time(row.last_time),
        });
    }
    let ordered =
        record::Entity::find().order_by_asc(record::Column::Workspace).order_by_asc(record::Column::Number);
    for row in ordered.all(db.read()).await.db()? {
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

/// Registers a flush and the place in the log it leads to, and sets aside what was refused on the way. The same flush
/// once more changes nothing.
pub(crate) async fn register_flush(
    db: &Database,
    flush: &Flush,
    positions: &[Position],
    refused: &[(Delivery, Error)],
) -> Result<()> {
    let unit = db.begin().await?;
    if places(unit.db(), positions.len()).await? == positions {
        // A commit that was reported as failed.
        return unit.roll_back().await;
    }
    for (delivery, error) in refused {
        dead_letter::set_aside(unit.db(), Stream::Events, delivery, error).await?;
    }
    add_segments(unit.db(), flush.segments()).await?;
    for (workspace, placements) in &flush.placements {
        for chunk in placements.chunks(CHUNK) {
            save_places(unit.db(), workspace, chunk).await?;
        }
    }
    for (partition, position) in (0..).zip(positions) {
        position.save(unit.db(), Stream::Events, partition).await?;
    }
    unit.commit().await
}

/// The registered place in each of so many partitions.
async fn places(db: &impl ConnectionTrait, partitions: usize) -> Result<Vec<Position>> {
    let mut positions = Vec::new();
    for (partition, _) in (0..).zip(0..partitions) {
        positions.push(Position::load(db, Stream::Events, partition).await?);
    }
    Ok(positions)
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
