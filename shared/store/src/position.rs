//! How far a service has read each partition, kept in the transaction that applied what was read.

use std::collections::BTreeMap;

use bus::{Entry, Log, Stream};
use kernel::{Error, Kind, Result};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
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
#[derive(Clone, Debug, Default)]
pub struct Position {
    /// The next position to read.
    pub next: u64,
    producers: BTreeMap<String, u64>,
    /// What the database keeps as the next one, as far as is known here; `None` when it keeps nothing.
    kept: Option<u64>,
}

/// The reason of errors that say that the database keeps another position.
const MOVED: &str = "POSITION_MOVED";

/// The same place, whatever is kept of it.
impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next && self.producers == other.producers
    }
}

impl Eq for Position {}

impl Position {
    /// Whether something failed because the database keeps another position than the work began with, as after a failover
    /// to a standby that lacks the last commits: what memory knows is wrong, and is to be read anew.
    pub fn has_moved(error: &Error) -> bool {
        error.reason == MOVED
    }

    /// For the place that was just loaded. A log that is shorter than what was read of it was emptied or restored. Reading
    /// it from its start is safe: repetitions are known by producer and sequence.
    pub fn rewind(&mut self, log: &dyn Log, stream: Stream, partition: u32, service: &str) {
        if self.next > log.end(stream, partition) {
            tracing::error!(
                service, %stream, partition,
                "the log is shorter than what was read of it; reading it from its start"
            );
            self.next = log.start(stream, partition);
        }
    }

    /// Goes on where the log begins, if that is later: what stood in between was never read here, and is gone.
    pub fn skip(&mut self, log: &dyn Log, stream: Stream, partition: u32, service: &str) {
        let start = log.start(stream, partition);
        if self.next >= start {
            return;
        }
        let gone = log.distance(self.next, start);
        if self.kept.is_none() {
            // Who never read any of it misses nothing.
        } else if start < log.end(stream, partition) {
            tracing::error!(
                service, %stream, partition, from = self.next, to = start, gone,
                "events were removed from the log before they were applied: it begins behind what was read of it. See \
                 common.bus.retention, and whether somebody purged it; this service lacks what stood in between"
            );
        } else {
            // A partition that was quiet for long looks the same: its last events were applied, and kept no longer.
            tracing::warn!(
                service, %stream, partition, from = self.next, to = start,
                "the log keeps nothing of this partition any more; what was not applied before is gone, if there was any"
            );
        }
        self.next = start;
    }

    /// It is kept now as it stands.
    pub fn note_kept(&mut self) {
        self.kept = Some(self.next);
    }

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
            kept: u64::try_from(row.position).ok(),
        })
    }

    /// Keeps it, as part of a unit of work, in place of what was kept when it was loaded or [noted](Self::note_kept).
    ///
    /// # Errors
    /// [`Kind::Aborted`] when something else is kept ([`Position::has_moved`]); when the database refuses.
    pub async fn save(&self, db: &impl ConnectionTrait, stream: Stream, partition: u32) -> Result<()> {
        let row = row::ActiveModel {
            stream: Set(stream.name().to_owned()),
            partition: Set(i32::try_from(partition).unwrap_or(i32::MAX)),
            position: Set(signed(self.next)),
            producers: Set(write_producers(&self.producers)),
        };
        let kept = Expr::col((row::Entity, row::Column::Position));
        let replace = OnConflict::columns([row::Column::Stream, row::Column::Partition])
            .update_columns([row::Column::Position, row::Column::Producers])
            .action_and_where(kept.eq(self.kept.map_or(NOTHING, signed)))
            .to_owned();
        if row::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await.db()? > 0 {
            return Ok(());
        }
        let message = format!(
            "the database does not keep what was read last of {stream} {partition}: another process reads it too, or the \
             database is an older one now; reading on from what it keeps"
        );
        Err(Error::new(Kind::Aborted, MOVED, message))
    }
}

/// No position.
const NOTHING: i64 = -1;

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
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
