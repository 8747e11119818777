//! Publishes the outbox to the log, in order, at once after each commit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Log, Record, Stream};
use kernel::{Activity, Result};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, entity::prelude::*};

use crate::Database;
use crate::error::StoreResult as _;
use crate::outbox::{decode, row};

/// Rows read at once.
const BATCH: u64 = 64;
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
            match self.publish().await {
                Ok(true) => {}
                Ok(false) => {
                    self.activity.touch();
                    self.db.outbox.wait().await;
                }
                Err(error) => {
                    tracing::warn!(service = %self.producer, %error, "the outbox could not be published; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn publish(&self) -> Result<bool> {
        let rows = row::Entity::find()
            .filter(row::Column::Id.gt(self.db.outbox.published()))
            .order_by_asc(row::Column::Id)
            .limit(BATCH)
            .all(self.db.read())
            .await
            .db()?;
        let Some(last) = rows.last().map(|row| row.id) else { return Ok(false) };
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
        self.db.outbox.note_published(last);
        Ok(true)
    }
}
