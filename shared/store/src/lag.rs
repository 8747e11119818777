//! How far things are behind: consumers behind the log, the outbox before it, and what was set aside.

use std::sync::atomic::{AtomicI64, Ordering};

use bus::Entry;
use kernel::{Result, Time};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, Statement};

use crate::error::StoreResult as _;
use crate::{Database, Tenant};

/// How far a consumer is behind the end of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: u32,
    /// Positions not applied, as [`bus::Log::distance`] counts them.
    pub distance: u64,
    /// When the platform accepted the oldest event that is being applied or tried; `None` when there is none.
    pub oldest: Option<Time>,
}

/// What waits in a service's database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Units of work whose events are not on the log yet.
    pub outbox: u64,
    /// The oldest of them.
    pub oldest: Option<i64>,
    /// Events set aside.
    pub dead_letters: u64,
}

/// The moment of acceptance of the oldest event that is in work; nothing while all is applied.
#[derive(Debug)]
pub(crate) struct Oldest(AtomicI64);

const NOTHING: i64 = i64::MIN;

impl Default for Oldest {
    fn default() -> Self {
        Self(AtomicI64::new(NOTHING))
    }
}

impl Oldest {
    pub(crate) fn begin(&self, entries: &[Entry]) {
        let oldest = entries.first().and_then(|entry| received_at(&entry.record.payload));
        self.0.store(oldest.map_or(NOTHING, |time| time.0), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Time> {
        Some(self.0.load(Ordering::Relaxed)).filter(|time| *time != NOTHING).map(Time)
    }
}

/// When an event was accepted: much cheaper than all of it.
fn received_at(payload: &[u8]) -> Option<Time> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Received {
        #[prost(message, optional, tag = "4")]
        received_at: Option<prost_types::Timestamp>,
    }
    Received::decode(payload).ok()?.received_at.map(Time::from)
}

impl Database {
    /// Counts what waits, on behalf of the platform.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the database does not answer.
    pub async fn waiting(&self) -> Result<Waiting> {
        let text = format!(
            "SELECT (SELECT count(*) FROM outbox WHERE id > {published}) AS outbox, \
             (SELECT min(id) FROM outbox WHERE id > {published}) AS oldest, \
             (SELECT count(*) FROM dead_letter) AS dead_letters",
            // On PostgreSQL what is published is deleted at once, and others publish as well.
            published = if self.is_shared() { 0 } else { self.outbox.published() }
        );
        let read = self.read();
        let count = Statement::from_string(read.get_database_backend(), text);
        let row = Tenant::Platform.scope(read.query_one_raw(count)).await.db()?;
        let Some(row) = row else { return Ok(Waiting::default()) };
        let number = |name: &str| -> Result<u64> {
            let number: i64 = row.try_get("", name).db()?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        Ok(Waiting {
            outbox: number("outbox")?,
            oldest: row.try_get("", "oldest").db()?,
            dead_letters: number("dead_letters")?,
        })
    }
}
