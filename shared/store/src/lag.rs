//! How far things are behind: consumers behind the log, the outbox before it, and what was set aside.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bus::Entry;
use kernel::{Result, Time};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::time::Instant;

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
    /// For how long it has been seen to stand where it stands though there is more.
    pub standstill: Duration,
}

impl Lag {
    /// How far it is behind in time: where nothing can be read nobody knows how old it is, and for how long it waits
    /// counts.
    pub fn age(&self, now: Time) -> Duration {
        self.oldest.map_or(self.standstill, |oldest| now.since(oldest))
    }
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

/// What is known of how far one partition is behind.
#[derive(Debug)]
pub(crate) struct Behind {
    /// The moment of acceptance of the oldest event that is in work.
    oldest: AtomicI64,
    /// Where it has been seen to stand though there is more, and since when.
    standstill: Mutex<Option<(u64, Instant)>>,
}

const NOTHING: i64 = i64::MIN;

impl Default for Behind {
    fn default() -> Self {
        Self { oldest: AtomicI64::new(NOTHING), standstill: Mutex::default() }
    }
}

impl Behind {
    /// These are to be applied next.
    pub(crate) fn begin(&self, entries: &[Entry]) {
        let oldest = entries.first().and_then(|entry| received_at(&entry.record.payload));
        self.oldest.store(oldest.map_or(NOTHING, |time| time.0), Ordering::Relaxed);
    }

    /// Seen at `next`, with so much before it.
    pub(crate) fn see(&self, partition: u32, next: u64, distance: u64) -> Lag {
        let mut standstill = self.standstill.lock().unwrap_or_else(PoisonError::into_inner);
        *standstill = match *standstill {
            _ if distance == 0 => None,
            Some((at, since)) if at == next => Some((at, since)),
            _ => Some((next, Instant::now())),
        };
        let oldest = Some(self.oldest.load(Ordering::Relaxed)).filter(|time| *time != NOTHING).map(Time);
        Lag {
            partition,
            distance,
            oldest: oldest.filter(|_| distance > 0),
            standstill: standstill.map_or(Duration::ZERO, |(_, since)| since.elapsed()),
        }
    }

    /// Another process applies it.
    pub(crate) fn pass_on(&self) {
        *self.standstill.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
