//! What waits, is held and is in use, looked at when somebody asks for the metrics.
//!
//! Databases are asked at most every [`SELDOM`] and not waited for longer than [`PATIENCE`]: who asks often costs no
//! more, and a database that does not answer leaves its figures out.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bus::Stream;
use futures::future::{join, join_all};
use kernel::Clock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use store::{Applied, Database, Leases, Pool, Waiting};
use tokio::time::Instant;

use crate::job::Alarm;
use crate::ready::Ready;

const SELDOM: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(2);

type Seconds = Gauge<f64, AtomicU64>;

/// A service that is looked at.
#[derive(Debug)]
pub(super) struct Watched {
    service: &'static str,
    db: Database,
    leases: Leases,
    clock: Clock,
    pub(super) consumers: Vec<(Stream, Applied)>,
    /// Name, lease, alarm.
    pub(super) jobs: Vec<(String, Option<String>, Alarm)>,
    /// The oldest unpublished row of the outbox, and since when it is known.
    oldest: Option<(i64, Instant)>,
}

impl Watched {
    pub(super) fn new(service: &'static str, db: Database, leases: Leases, clock: Clock) -> Self {
        let (consumers, jobs) = (Vec::new(), Vec::new());
        Self { service, db, leases, clock, consumers, jobs, oldest: None }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    service: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPartition {
    service: &'static str,
    stream: &'static str,
    partition: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfStream {
    service: &'static str,
    stream: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfJob {
    service: &'static str,
    job: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfLease {
    service: &'static str,
    lease: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPool {
    service: &'static str,
    pool: &'static str,
    state: &'static str,
}

/// The gauges and what they are about.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    watched: Mutex<Vec<Watched>>,
    asked: tokio::sync::Mutex<Option<Instant>>,
    lag_events: Family<OfPartition, Gauge>,
    lag_seconds: Family<OfStream, Seconds>,
    outbox_rows: Family<Of, Gauge>,
    outbox_seconds: Family<Of, Seconds>,
    due: Family<OfJob, Seconds>,
    dead_letters: Family<Of, Gauge>,
    connections: Family<OfPool, Gauge>,
    leases: Family<OfLease, Gauge>,
    ready: Gauge,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let it = Self::default();
        let events = "Behind the log's end, by partition that this process applies: events, on JetStream messages (batches of \
                      events)";
        registry.register("log_lag_events", events, it.lag_events.clone());
        let seconds = "Age of the oldest event that is not applied, or how long it is seen to wait where it cannot be read, in the \
             partitions that this process applies";
        registry.register("log_lag_seconds", seconds, it.lag_seconds.clone());
        let rows = "Units of work whose events are not on the log yet";
        registry.register("outbox_rows", rows, it.outbox_rows.clone());
        let seconds = "Time since the oldest unit of work that is not on the log yet was first seen";
        registry.register("outbox_lag_seconds", seconds, it.outbox_seconds.clone());
        let due = "How late a job is, or since when it fails, where this process does it";
        registry.register("due_lag_seconds", due, it.due.clone());
        registry.register("dead_letters", "Events set aside", it.dead_letters.clone());
        let connections = "Connections by pool and state; `unopened` ones may be opened besides";
        registry.register("database_connections", connections, it.connections.clone());
        registry.register("lease_held", "Whether this process holds a lease", it.leases.clone());
        registry.register("ready", "Whether nothing is missing to this process", it.ready.clone());
        it
    }

    pub(super) fn watch(&self, watched: Watched) {
        self.lock().push(watched);
    }

    /// Looks at nothing any more.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    pub(super) fn with(&self, service: &str, change: impl FnOnce(&mut Watched)) {
        if let Some(watched) = self.lock().iter_mut().find(|watched| watched.service == service) {
            change(watched);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets all of them.
    pub(super) async fn look(&self, ready: &Ready) {
        self.set_known();
        // Whoever comes while somebody asks gets what is known.
        let Ok(mut asked) = self.asked.try_lock() else { return };
        if asked.is_some_and(|asked| asked.elapsed() < SELDOM) {
            return;
        }
        *asked = Some(Instant::now());
        let databases: Vec<_> = self.lock().iter().map(|it| (it.service, it.db.clone())).collect();
        let counts = databases.into_iter().map(async |(service, db)| {
            let waiting = tokio::time::timeout(PATIENCE, db.waiting()).await;
            (service, waiting.ok().and_then(Result::ok))
        });
        let (counts, missing) = join(join_all(counts), ready.missing()).await;
        self.ready.set(i64::from(missing.all().next().is_none()));
        for (service, waiting) in counts {
            self.with(service, |watched| self.set_waiting(watched, waiting));
        }
    }

    fn set_waiting(&self, watched: &mut Watched, waiting: Option<Waiting>) {
        let of = Of { service: watched.service };
        let Some(waiting) = waiting else {
            self.outbox_rows.remove(&of);
            self.outbox_seconds.remove(&of);
            self.dead_letters.remove(&of);
            return;
        };
        watched.oldest = match (waiting.oldest, watched.oldest) {
            (Some(row), Some((known, since))) if row == known => Some((known, since)),
            (row, _) => row.map(|row| (row, Instant::now())),
        };
        let lag = watched.oldest.map_or(0.0, |(_, since)| since.elapsed().as_secs_f64());
        self.outbox_rows.get_or_create(&of).set(count(waiting.outbox));
        self.outbox_seconds.get_or_create(&of).set(lag);
        self.dead_letters.get_or_create(&of).set(count(waiting.dead_letters));
    }

    /// What is known without asking anybody.
    fn set_known(&self) {
        let watched = self.lock();
        self.lag_events.clear();
        self.lag_seconds.clear();
        self.due.clear();
        for it in watched.iter() {
            let (service, now) = (it.service, it.clock.now());
            for (stream, applied) in &it.consumers {
                let stream = stream.name();
                let lags = applied.lag();
                for lag in &lags {
                    let of = OfPartition { service, stream, partition: lag.partition };
                    self.lag_events.get_or_create(&of).set(count(lag.distance));
                }
                if let Some(age) = lags.iter().map(|lag| lag.age(now)).max() {
                    self.lag_seconds.get_or_create(&OfStream { service, stream }).set(age.as_secs_f64());
                }
            }
            for (job, late) in late(it) {
                self.due.get_or_create(&OfJob { service, job: job.to_owned() }).set(late.as_secs_f64());
            }
            for Pool { name: pool, used, idle, unopened } in it.db.connections() {
                for (state, connections) in [("used", used), ("idle", idle), ("unopened", unopened)] {
                    self.connections.get_or_create(&OfPool { service, pool, state }).set(connections.into());
                }
            }
            for (lease, held) in it.leases.all() {
                self.leases.get_or_create(&OfLease { service, lease }).set(held.into());
            }
        }
    }
}

/// How late the jobs are that this process does; the latest counts of those that share a name.
fn late(watched: &Watched) -> BTreeMap<&str, Duration> {
    let now = watched.clock.now();
    let mut late = BTreeMap::new();
    for (name, lease, alarm) in &watched.jobs {
        if lease.as_ref().is_none_or(|lease| watched.leases.held(lease).is_some()) {
            let known: &mut Duration = late.entry(name.as_str()).or_default();
            *known = alarm.late(now).max(*known);
        }
    }
    late
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
