//! How far a service has read each partition, kept in the transaction that applied what was read.

use std::collections::BTreeMap;

use bus::{Entry, Stream};
use kernel::{Error, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait as _, Set};

use crate::error::StoreResult as _;

mod row {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_position")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub stream: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition: i32,
        pub position: i64,
        #[sea_orm(column_type = "Text")]
        pub producers: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A place in one partition.
///
/// A relay that crashed appends records again; each producer's sequences only grow, so that the highest one seen per
/// producer tells every repetition, however late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next position to read.
    pub next: u64,
    producers: BTreeMap<String, u64>,
}

impl Position {
    /// Moves behind `entry`; says whether it is new.
    pub fn pass(&mut self, entry: &Entry) -> bool {
        self.next = entry.position + 1;
        match self.producers.get_mut(&*entry.record.producer) {
            Some(highest) if *highest >= entry.record.sequence => false,
            Some(highest) => {
                *highest = entry.record.sequence;
                true
            }
            None => {
                self.producers.insert(entry.record.producer.to_string(), entry.record.sequence);
                true
            }
        }
    }

    /// As kept; the beginning when nothing is.
    ///
    /// # Errors
    /// When the database refuses or the row is damaged.
    pub async fn load(db: &impl ConnectionTrait, stream: Stream, partition: u32) -> Result<Self> {
        let key = (stream.name().to_owned(), i32::try_from(partition).unwrap_or(i32::MAX));
        let Some(row) = row::Entity::find_by_id(key).one(db).await.db()? else { return Ok(Self::default()) };
        Ok(Self {
            next: u64::try_from(row.position).unwrap_or(0),
            producers: read_producers(&row.producers)?,
        })
    }

    /// Keeps it, as part of a unit of work.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn save(&self, db: &impl ConnectionTrait, stream: Stream, partition: u32) -> Result<()> {
        let row = row::ActiveModel {
            stream: Set(stream.name().to_owned()),
            partition: Set(i32::try_from(partition).unwrap_or(i32::MAX)),
            position: Set(i64::try_from(self.next).unwrap_or(i64::MAX)),
            producers: Set(write_producers(&self.producers)),
        };
        let replace = OnConflict::columns([row::Column::Stream, row::Column::Partition])
            .update_columns([row::Column::Position, row::Column::Producers])
            .to_owned();
        row::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await.db()?;
        Ok(())
    }
}

/// Of processes that have a name of their own (`ingest/<process>`), so many are remembered: those that began last, as
/// they count from the clock on. One that is gone appends nothing more.
const PROCESSES: usize = 256;

fn write_producers(producers: &BTreeMap<String, u64>) -> String {
    let mut processes: Vec<u64> =
        producers.iter().filter(|(name, _)| name.contains('/')).map(|(_, highest)| *highest).collect();
    processes.sort_unstable_by(|a, b| b.cmp(a));
    let least = processes.get(PROCESSES).map_or(0, |first_too_many| first_too_many + 1);
    let kept = producers.iter().filter(|(name, highest)| !name.contains('/') || **highest >= least);
    kept.map(|(name, highest)| format!("{name}={highest}")).collect::<Vec<_>>().join(" ")
}

fn read_producers(text: &str) -> Result<BTreeMap<String, u64>> {
    let pair = |part: &str| Some((part.split_once('=')?.0.to_owned(), part.split_once('=')?.1.parse().ok()?));
    text.split_whitespace()
        .map(|part| pair(part).ok_or_else(|| Error::internal("a row of log_position is damaged")))
        .collect()
}
