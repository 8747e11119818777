//! Outgoing events, written in the transaction that caused them and published after it.
//!
//! One row holds all records of one unit of work. Rows that were published are deleted by a later unit of work, so that
//! publishing costs no transaction of its own; after a crash they are published again under the same sequence
//! numbers, by which readers know them.
//!
//! Row ids only grow, also over a restored backup: the first one of a process is not below the clock's milliseconds, so
//! that no number is used again which readers saw before the backup was put back. On PostgreSQL no one is below its
//! server's milliseconds, so that the same holds after a failover to a standby that lacks the last commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bus::{Record, Stream};
use bytes::{Buf as _, BufMut as _, Bytes};
use kernel::{Error, Result, Time, Workspace};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait as _, QuerySelect as _, Statement, entity::prelude::*,
};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, watch};

use crate::error::StoreResult as _;

/// The rows.
pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub payload: Vec<u8>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many records one unit of work may publish.
pub const MAX_RECORDS: usize = 1 << 20;

/// What is written and what is published, shared by units of work and the relay.
#[derive(Clone, Debug)]
pub struct Outbox {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    committed: AtomicI64,
    published: watch::Sender<i64>,
    wake: Notify,
    /// No id of this process is below.
    lowest: i64,
    last: Arc<Mutex<i64>>,
}

/// The right to write the next row, kept until it is committed: rows become visible to the relay in the order of their
/// ids, which a database that commits several units at once does not promise.
pub(crate) struct Turn {
    /// The row's id. One whose unit is not committed may be used again.
    pub(crate) id: i64,
    /// In one process the others wait here; on PostgreSQL, where there may be several, they wait for a row.
    _others_wait: Option<OwnedMutexGuard<i64>>,
}

/// A record that has no producer and sequence yet.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub stream: Stream,
    pub workspace: Workspace,
    pub key: Bytes,
    pub payload: Bytes,
}

impl Outbox {
    /// Finds what a former process left unpublished. New rows get ids above those, and above the milliseconds of `now`:
    /// no process writes a row a millisecond for long, so that whatever a lost database said before is below.
    pub(crate) async fn load(db: &impl ConnectionTrait, now: Time) -> Result<Self> {
        let first: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Id.min(), "first")
            .into_tuple()
            .one(db)
            .await
            .db()?;
        let last: Option<Option<i64>> = row::Entity::find()
            .select_only()
            .column_as(row::Column::Id.max(), "last")
            .into_tuple()
            .one(db)
            .await
            .db()?;
        let last = last.flatten().unwrap_or(0);
        let before_first = first.flatten().map_or(last, |first| first - 1);
        let lowest = last.max(now.0 / 1_000);
        Ok(Self {
            state: Arc::new(State {
                committed: AtomicI64::new(last),
                published: watch::Sender::new(before_first),
                wake: Notify::new(),
                lowest,
                last: Arc::new(Mutex::new(lowest)),
            }),
        })
    }

    /// Waits for the unit of work that is being committed.
    pub(crate) async fn turn(&self, db: &impl ConnectionTrait) -> Result<Turn> {
        if db.get_database_backend() == DbBackend::Postgres {
            // The row stays locked until the commit. Milliseconds of the server's clock, since the server may have become
            // another one, which lacks the last commits: readers know their numbers.
            let text = "UPDATE writer SET outbox_id = greatest(outbox_id + 1, $1, \
                        (extract(epoch FROM clock_timestamp()) * 1000)::bigint) WHERE id = 2 RETURNING outbox_id";
            let values = [self.state.lowest.into()];
            let next = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
            let row = db.query_one_raw(next).await.db()?;
            let row =
                row.ok_or_else(|| Error::internal("the table writer lacks a row: run the migrations again"))?;
            return Ok(Turn { id: row.try_get("", "outbox_id").db()?, _others_wait: None });
        }
        sweep(db, self.published()).await?;
        let mut last = self.state.last.clone().lock_owned().await;
        *last += 1;
        Ok(Turn { id: *last, _others_wait: Some(last) })
    }

    pub(crate) fn note_committed(&self, id: i64) {
        self.state.committed.fetch_max(id, Ordering::SeqCst);
        self.state.wake.notify_one();
    }

    pub(crate) fn note_published(&self, id: i64) {
        self.state.published.send_modify(|published| *published = id.max(*published));
    }

    pub(crate) fn published(&self) -> i64 {
        *self.state.published.borrow()
    }

    /// Whether everything that was committed has been published.
    pub fn is_drained(&self) -> bool {
        self.published() >= self.committed()
    }

    /// Returns when the row `id` is on the log.
    pub(crate) async fn reached(&self, id: i64) {
        // The sender lives in `self.state`: waiting cannot fail.
        let mut published = self.state.published.subscribe();
        let _reached = published.wait_for(|published| *published >= id).await.is_ok();
    }

    pub(crate) async fn wait(&self) {
        self.state.wake.notified().await;
    }

    /// The last row that this process committed.
    pub(crate) fn committed(&self) -> i64 {
        self.state.committed.load(Ordering::SeqCst)
    }
}

/// Writes the records of one unit of work as the row `id`.
pub(crate) async fn insert(db: &impl ConnectionTrait, id: i64, outgoing: &[Outgoing]) -> Result<()> {
    if outgoing.len() >= MAX_RECORDS {
        return Err(Error::internal(format!("one unit of work publishes {} records", outgoing.len())));
    }
    let row = row::ActiveModel { id: sea_orm::Set(id), payload: sea_orm::Set(encode(outgoing)) };
    row::Entity::insert(row).exec_without_returning(db).await.db()?;
    Ok(())
}

/// Removes what has been published.
async fn sweep(db: &impl ConnectionTrait, published: i64) -> Result<()> {
    row::Entity::delete_many().filter(row::Column::Id.lte(published)).exec(db).await.db()?;
    Ok(())
}

fn encode(outgoing: &[Outgoing]) -> Vec<u8> {
    let size = outgoing.iter().map(|o| o.payload.len() + o.key.len() + o.workspace.as_str().len() + 16).sum();
    let mut buffer = Vec::with_capacity(size);
    for record in outgoing {
        buffer.put_u8(match record.stream {
            Stream::Raw => 0,
            Stream::Events => 1,
        });
        for part in [record.workspace.as_str().as_bytes(), &record.key, &record.payload] {
            buffer.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            buffer.put_slice(part);
        }
    }
    buffer
}

/// Reads a row back, with producer and sequence.
pub(crate) fn decode(id: i64, payload: Vec<u8>, producer: &Arc<str>) -> Result<Vec<(Stream, Record)>> {
    let mut rest = Bytes::from(payload);
    let mut records = Vec::new();
    let damaged = || Error::internal(format!("outbox row {id} is damaged"));
    while rest.has_remaining() {
        let stream = if rest.get_u8() == 0 { Stream::Raw } else { Stream::Events };
        let mut part = || {
            let length =
                rest.try_get_u32().ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= rest.len());
            length.map(|n| rest.split_to(n)).ok_or_else(damaged)
        };
        let (workspace, key, payload) = (part()?, part()?, part()?);
        let workspace = Workspace::new(str::from_utf8(&workspace).map_err(|_| damaged())?);
        let sequence = (u64::try_from(id).unwrap_or(0) << 20) | u64::try_from(records.len()).unwrap_or(0);
        records.push((stream, Record { workspace, key, producer: producer.clone(), sequence, payload }));
    }
    Ok(records)
}
