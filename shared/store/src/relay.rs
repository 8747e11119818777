//! Publishes the outbox to the log, in order, at once after each commit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Log, Record, Stream};
use kernel::{Activity, Result, chain};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Statement, entity::prelude::*,
};

use crate::Database;
use crate::error::{StoreResult as _, within};
use crate::outbox::{decode, row};

/// Rows read at once.
const BATCH: u64 = 64;
/// Bytes published at once, more only of a single row: the log takes so much well within the ten seconds for which a
/// transaction may pause, also one that flushes each message to a slow disk.
const BYTES: usize = 4 << 20;
/// What another process has left is looked for so often.
const ORPHANED: Duration = Duration::from_secs(1);
/// Pause after the log refused.
const PAUSE: Duration = Duration::from_millis(200);

/// One per service and database.
#[derive(Debug)]
pub struct Relay {
    /// The service's database.
    pub db: Database,
    /// Where to.
    pub log: Arc<dyn Log>,
    /// The service's name.
    pub producer: Arc<str>,
    /// Told when everything is published.
    pub activity: Activity,
}

impl Relay {
    /// Publishes until cancelled; dropping the future at any point is safe. Known to the activity from the call on.
    pub fn run(self) -> impl Future<Output = ()> + Send {
        let outbox = self.db.outbox.clone();
        self.activity.register(format!("{} relay", self.producer), move || outbox.is_drained());
        self.repeat()
    }

    async fn repeat(self) {
        loop {
            let published =
                if self.db.is_shared() { self.publish_shared().await } else { self.publish().await };
            match published {
                Ok(true) => {}
                Ok(false) => {
                    self.activity.touch();
                    self.rest().await;
                }
                Err(error) => {
                    tracing::warn!(service = %self.producer, error = %chain(&error), "the outbox could not be published; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Returns when there is something to publish.
    async fn rest(&self) {
        let more = async {
            loop {
                self.db.outbox.wait().await;
                // Rung for what was published meanwhile.
                if !self.db.outbox.is_drained() {
                    return;
                }
            }
        };
        if self.db.is_shared() {
            // Another process may have ended before it published.
            drop(tokio::time::timeout(ORPHANED, more).await);
        } else {
            more.await;
        }
    }

    /// What this process alone has written; says whether there may be more. Published rows are deleted by a later unit of work.
    async fn publish(&self) -> Result<bool> {
        let rows = next_rows(self.db.read(), self.db.outbox.published()).await?;
        let Some(last) = rows.last().map(|row| row.id) else { return Ok(false) };
        self.append(rows).await?;
        self.db.outbox.note_published(last);
        Ok(!self.db.outbox.is_drained())
    }

    /// What any process of the service has written: whoever commits publishes it and all before it, one process at a
    /// time. A process that is stopped in between and goes on later does no harm: its records are known by their
    /// sequences.
    async fn publish_shared(&self) -> Result<bool> {
        let committed = self.db.outbox.committed();
        let txn = self.db.transaction().await?;
        // The deletion need not survive a power cut: what is published again is known. The rows are of all workspaces.
        let turn = "SELECT set_config('synchronous_commit', 'off', true), set_config('guanxi.platform', 'on', true), \
                    pg_advisory_xact_lock(hashtextextended(current_schema() || ' relay', 0))";
        within(self.db.patience(), txn.query_one_raw(Statement::from_string(DbBackend::Postgres, turn)))
            .await?;
        let rows = next_rows(&txn, 0).await?;
        let Some(last) = rows.last().map(|row| row.id) else {
            txn.rollback().await.db()?;
            self.db.outbox.note_published(committed);
            return Ok(false);
        };
        self.append(rows).await?;
        row::Entity::delete_many().filter(row::Column::Id.lte(last)).exec(&txn).await.db()?;
        txn.commit().await.db()?;
        self.db.outbox.note_published(last);
        Ok(!self.db.outbox.is_drained())
    }

    async fn append(&self, rows: Vec<row::Model>) -> Result<()> {
        let mut streams: [(Stream, Vec<Record>); 2] = Stream::ALL.map(|stream| (stream, Vec::new()));
        for row in rows {
            for (stream, record) in decode(row.id, row.payload, &self.producer)? {
                if let Some((_, records)) = streams.iter_mut().find(|(of, _)| *of == stream) {
                    records.push(record);
                }
            }
        }
        for (stream, records) in streams {
            if !records.is_empty() {
                self.log.append(stream, records).await?;
            }
        }
        Ok(())
    }
}

async fn next_rows(db: &impl ConnectionTrait, after: i64) -> Result<Vec<row::Model>> {
    let rows =
        row::Entity::find().filter(row::Column::Id.gt(after)).order_by_asc(row::Column::Id).limit(BATCH);
    Ok(few(rows.all(db).await.db()?))
}

/// The first ones, as many as may be published at once.
fn few(mut rows: Vec<row::Model>) -> Vec<row::Model> {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.payload.len();
        bytes <= BYTES
    });
    rows.truncate(fit.count().max(1));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_published_at_once_as_the_log_takes_in_time() {
        let rows = |sizes: &[usize]| -> Vec<row::Model> {
            (1..).zip(sizes).map(|(id, size)| row::Model { id, payload: vec![0; *size] }).collect()
        };
        assert!(few(Vec::new()).is_empty());
        assert_eq!(few(rows(&[1, 2, 3])).len(), 3);
        assert_eq!(few(rows(&[BYTES / 2, BYTES / 2, 1])).len(), 2);
        assert_eq!(few(rows(&[BYTES + 1, 1])).len(), 1, "a large one goes alone");
    }
}
