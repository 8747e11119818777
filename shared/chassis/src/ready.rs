//! Whether the process can do its work now, for those who send it work.
//!
//! A call needs the database. The log it does not, but for ingest: what is written waits in the outbox. Were processes taken
//! out of service for a log that all of them have lost, nobody could read a profile either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::Log;
use futures::future::join_all;
use store::Database;

use crate::service::Condition;

/// Longest wait for a database's word.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is not as it should be.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    /// Without this no call can be answered.
    pub calls: Vec<String>,
    /// Without this what was taken waits.
    pub log: Vec<String>,
}

impl Missing {
    /// Everything.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.calls.iter().chain(&self.log)
    }
}

/// What the process stands on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ready {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Arc<dyn Log>,
    databases: Vec<(&'static str, Database)>,
    /// Whether calls do.
    needs_log: bool,
    /// What services themselves need.
    conditions: Vec<Condition>,
    draining: AtomicBool,
}

impl Ready {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        databases: Vec<(&'static str, Database)>,
        needs_log: bool,
        conditions: Vec<Condition>,
    ) -> Self {
        let draining = AtomicBool::new(false);
        Self { inner: Arc::new(Inner { log, databases, needs_log, conditions, draining }) }
    }

    /// From now on not ready: the process is about to stop.
    pub(crate) fn drain(&self) {
        self.inner.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the process is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::SeqCst)
    }

    /// What is missing now.
    pub async fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        if self.is_draining() {
            missing.calls.push("the process is stopping".to_owned());
        }
        let failing = self.inner.conditions.iter().filter(|condition| !(condition.holds)());
        missing.calls.extend(failing.map(|condition| condition.missing.to_owned()));
        if let Err(error) = self.inner.log.healthy() {
            let of = if self.inner.needs_log { &mut missing.calls } else { &mut missing.log };
            of.push(format!("event log: {}", error.message));
        }
        let pings = self.inner.databases.iter().map(async |(service, db)| {
            match tokio::time::timeout(PATIENCE, db.ping()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("database of {service}: {}", error.message)),
                Err(_) => Some(format!("database of {service}: no answer within {PATIENCE:?}")),
            }
        });
        missing.calls.extend(join_all(pings).await.into_iter().flatten());
        missing
    }
}
