//! Which events were accepted, in blocks of keys, and up to where the raw log stands in them.

use bus::{Log, Stream};
use kernel::{Error, EventKey, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Set,
};
use store::StoreResult as _;

use super::row::{seen_block as block, seen_position as position};

/// Bytes of a key.
const KEY: usize = 16;
/// Rows read at once.
const ROWS: u64 = 16;
/// Keys of a row at the most.
const BLOCK: usize = 65_536;

/// How far the raw log stands in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// By partition: the first position that does not.
    pub(crate) next: Vec<u64>,
    /// Highest sequence number used.
    pub(crate) sequence: u64,
}

/// The place, for every partition of the log.
pub(crate) async fn place(db: &impl ConnectionTrait, log: &dyn Log) -> Result<Place> {
    let mut place = Place {
        next: (0..log.partitions()).map(|partition| log.start(Stream::Raw, partition)).collect(),
        sequence: 0,
    };
    for row in position::Entity::find().all(db).await.db()? {
        let kept = usize::try_from(row.partition).ok().and_then(|partition| place.next.get_mut(partition));
        if let Some(next) = kept {
            *next = u64::try_from(row.position).unwrap_or(0);
        }
        place.sequence = place.sequence.max(u64::try_from(row.sequence).unwrap_or(0));
    }
    Ok(place)
}

/// Hands every key of the days from `first` on to `take`.
pub(crate) async fn load(
    db: &impl ConnectionTrait,
    first: i32,
    mut take: impl FnMut(EventKey, i32),
) -> Result<()> {
    let mut after = 0;
    loop {
        let rows = block::Entity::find()
            .filter(block::Column::Id.gt(after))
            .filter(block::Column::Day.gte(first))
            .order_by_asc(block::Column::Id)
            .limit(ROWS)
            .all(db)
            .await
            .db()?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        for row in rows {
            let (keys, rest) = row.keys.as_chunks::<KEY>();
            if !rest.is_empty() {
                return Err(Error::internal(format!("seen_block {} is damaged", row.id)));
            }
            keys.iter().for_each(|key| take(EventKey(*key), row.day));
        }
    }
}

/// Adds keys with their days, and moves the place.
pub(crate) async fn save(db: &impl ConnectionTrait, keys: &[(EventKey, i32)], place: &Place) -> Result<()> {
    for of_one_day in keys.chunk_by(|a, b| a.1 == b.1).flat_map(|keys| keys.chunks(BLOCK)) {
        let Some((_, day)) = of_one_day.first() else { continue };
        let bytes = of_one_day.iter().flat_map(|(key, _)| key.0).collect();
        let row = block::ActiveModel { day: Set(*day), keys: Set(bytes), ..Default::default() };
        block::Entity::insert(row).exec_without_returning(db).await.db()?;
    }
    let rows = (0..).zip(&place.next).map(|(partition, next)| position::ActiveModel {
        partition: Set(partition),
        position: Set(i64::try_from(*next).unwrap_or(i64::MAX)),
        sequence: Set(i64::try_from(place.sequence).unwrap_or(i64::MAX)),
    });
    let replace = OnConflict::column(position::Column::Partition)
        .update_columns([position::Column::Position, position::Column::Sequence])
        .to_owned();
    position::Entity::insert_many(rows).on_conflict(replace).exec_without_returning(db).await.db()?;
    Ok(())
}

/// Removes the days before `first`.
pub(crate) async fn forget_before(db: &impl ConnectionTrait, first: i32) -> Result<()> {
    block::Entity::delete_many().filter(block::Column::Day.lt(first)).exec(db).await.db()?;
    Ok(())
}
