//! Two processes on one database and one folder: both answer, one writes; whoever has lost the lease registers nothing, and
//! what it had read counts once. Always on PostgreSQL, where there are leases.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bus::Record;
use bus::embedded::EmbeddedLog;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use kernel::{Secret, Workspace};
use prost::Message as _;
use store::{DatabaseConfig, Tenant};
use tempfile::TempDir;
use testkit::postgres::Postgres;
use tokio::task::JoinSet;
use wire::event::Event;

use super::*;
use crate::domain::Interval;
use crate::engine::query::trend::{Measure, TrendQuery};
use crate::jobs::compaction;
use crate::store::migration;

const CUSTOMER: &str = "0199aaaa-0000-7000-8000-000000000001";
/// Events in memory at which they are flushed, and entries read at a time.
const FLUSH: usize = 4;
/// Longest wait for what happens by itself.
const SOON: Duration = Duration::from_secs(30);

/// What the processes share.
struct Bench {
    folder: TempDir,
    log: Arc<EmbeddedLog>,
    database: DatabaseConfig,
}

impl Bench {
    async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("analytics_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let urls = Postgres::shared().await.unwrap().schemas(&name, &["analytics"]).await.unwrap();
        let of = |url: String| url.replace("{service}", "analytics");
        let owner_url = Secret::new(of(urls.owner_url));
        let database = DatabaseConfig { owner_url, ..DatabaseConfig::new(of(urls.url)) };
        Database::migrate("analytics", &database, migration::all).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(&folder.path().join("log"), Default::default()).unwrap();
        Self { folder, log, database }
    }

    /// A process that has the lease of the log, or takes it as soon as nobody else has.
    async fn process(&self) -> Process {
        self.process_on(self.log.clone()).await
    }

    async fn process_on(&self, log: Arc<dyn Log>) -> Process {
        let clock = Clock::system();
        let db = Database::open("analytics", &self.database, migration::all, &clock).await.unwrap();
        let leases = Leases::new(&db);
        let applied = Applied::new(db.clone(), log.clone(), Stream::Events, leases.clone(), Some(LEASE));
        let options = Options {
            folder: self.folder.path().join("segments"),
            cache_bytes: 1 << 20,
            threads: 1,
            flush_rows: FLUSH,
            segment_rows: 100,
            fan_in: 2,
            kept: Duration::from_secs(900),
        };
        let reader = Reader {
            db,
            ids: Ids::new(clock.clone()),
            clock,
            activity: Activity::default(),
            current: Current::new(leases.clone(), log.clone(), applied.clone()),
            log,
            leases,
            options,
            applied,
            batch: FLUSH,
            flush_age: Duration::from_secs(3_600),
            compaction: Alarm::default(),
        };
        let mut process = Process { reader, beats: JoinSet::new() };
        process.wake();
        process
    }

    async fn happen(&self, numbers: std::ops::Range<u64>) {
        let record = |n: u64| {
            let event = Event {
                id: format!("浏览{n}"),
                name: "product_viewed".to_owned(),
                record_id: CUSTOMER.to_owned(),
                customer_id: CUSTOMER.to_owned(),
                ..Event::default()
            };
            Record {
                workspace: Workspace::new("demo"),
                key: "k".into(),
                producer: "test".into(),
                sequence: n,
                payload: event.encode_to_vec().into(),
            }
        };
        self.log.append(Stream::Events, numbers.map(record).collect()).await.unwrap();
    }
}

/// The log as one hears of it who stood still: it ends where it did when it was last asked.
#[derive(Debug)]
struct Hearsay {
    log: Arc<EmbeddedLog>,
    end: AtomicU64,
}

impl Log for Hearsay {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        self.log.append(stream, records)
    }

    fn read(
        &self,
        stream: Stream,
        partition: u32,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.log.read(stream, partition, from, max)
    }

    fn end(&self, _: Stream, _: u32) -> u64 {
        self.end.load(Ordering::SeqCst)
    }

    fn start(&self, stream: Stream, partition: u32) -> u64 {
        self.log.start(stream, partition)
    }

    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()> {
        self.log.wait(stream, partition, position)
    }

    fn latest(&self, stream: Stream) -> BoxFuture<'_, Result<()>> {
        self.end.store(self.log.end(stream, 0), Ordering::SeqCst);
        self.log.latest(stream)
    }
}

/// One of the processes. It is driven by hand, so that it stands still where the test wants it to.
struct Process {
    reader: Reader,
    beats: JoinSet<()>,
}

impl Process {
    /// It takes and renews leases.
    fn wake(&mut self) {
        self.beats.spawn(self.reader.leases.clone().run());
    }

    /// It stands still: its leases are free for others, and it does not know.
    async fn stand_still(&mut self) {
        self.beats.shutdown().await;
    }

    async fn open(&self) -> Reading {
        loop {
            let changed = self.reader.leases.changed();
            let held = self.reader.leases.acquired(LEASE).await;
            match held.clone().scope(self.reader.open(Some(held))).await {
                // Until its next beat it believes what was so when it fell asleep.
                Err(error) if Held::is_lost(&error) => changed.await,
                opened => return self.shown(opened.unwrap()),
            }
        }
    }

    /// Without the lease.
    async fn follow(&self) -> Reading {
        self.shown(self.reader.open(None).await.unwrap())
    }

    fn shown(&self, mut reading: Reading) -> Reading {
        self.reader.show(&mut reading);
        reading
    }

    async fn round(&self, reading: &mut Reading) -> Result<bool> {
        let held = reading.opened.held.clone();
        let round = Box::pin(self.reader.round(reading));
        match held {
            Some(held) => held.scope(round).await,
            None => round.await,
        }
    }

    /// Reads all there is, and flushes.
    async fn read_all(&self, reading: &mut Reading) {
        while self.round(reading).await.unwrap() {}
    }
}

fn count(engine: &Engine) -> f64 {
    let query = TrendQuery {
        event: "product_viewed".to_owned(),
        filter: None,
        measure: Measure::Count,
        property: "properties.".to_owned(),
        interval: Interval::Whole,
        breakdown: None,
        from: Time(0),
        to: Time(1),
        zone: TimeZone::UTC,
    };
    engine.trend(&Workspace::new("demo"), &query).unwrap()[0].total
}

/// Returns when there are so many in what calls are answered from; there are never more.
async fn all(current: &Current, events: f64) {
    let read = async {
        loop {
            if let Ok(opened) = current.get().await {
                let found = count(&opened.engine);
                assert!(found <= events, "{found}");
                if found == events {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, read).await.expect("events are missing");
}

#[tokio::test]
async fn what_one_process_has_read_and_another_flushed_counts_once() {
    let work = async {
        let bench = Bench::new().await;
        let mut first = bench.process().await;
        let mut reading = first.open().await;
        bench.happen(0..3).await;
        first.read_all(&mut reading).await;
        assert_eq!((count(&reading.opened.engine), reading.opened.engine.unflushed()), (3.0, 3));

        first.stand_still().await;
        let mut second = bench.process().await;
        let mut others = second.open().await;
        bench.happen(3..6).await;
        second.read_all(&mut others).await;
        assert_eq!((count(&others.opened.engine), others.opened.engine.unflushed()), (6.0, 2));

        // It goes on where it stood, and has enough for a flush.
        let error = loop {
            match first.round(&mut reading).await {
                Ok(worked) => assert!(worked, "it never flushes"),
                Err(error) => break error,
            }
        };
        assert!(Held::is_lost(&error), "{error}");
        bench.happen(6..7).await;
        second.read_all(&mut others).await;
        assert_eq!(count(&others.opened.engine), 7.0);

        // And takes over in its turn: what it knew is forgotten.
        second.stand_still().await;
        drop((second, others));
        first.wake();
        let mut reading = first.open().await;
        first.read_all(&mut reading).await;
        assert_eq!(count(&reading.opened.engine), 7.0);
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}

#[tokio::test]
async fn a_lost_lease_ends_the_writer() {
    let work = async {
        let bench = Bench::new().await;
        let mut first = bench.process().await;
        let reading = first.open().await;
        first.stand_still().await;
        let second = bench.process().await;
        let others = second.open().await;
        // Awake again, it hears at its next beat that the lease is another's.
        first.wake();
        let held = reading.opened.held.clone().unwrap();
        Box::pin(held.scope(first.reader.go_on(reading))).await;
        assert!(first.reader.current.held().is_none());
        assert!(Arc::ptr_eq(&second.reader.current.held().unwrap().0, &others.opened));
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}

/// Who does not write answers with what the log holds all the same, and only with that.
#[tokio::test]
async fn one_writes_and_the_other_answers_as_well() {
    let work = async {
        let bench = Bench::new().await;
        let first = bench.process().await;
        let mut writing = first.open().await;
        let hearsay = Hearsay { log: bench.log.clone(), end: AtomicU64::default() };
        let second = bench.process_on(Arc::new(hearsay)).await;
        let mut following = second.follow().await;
        bench.happen(0..6).await;
        first.read_all(&mut writing).await;
        let refused = second.reader.current.get().await.unwrap_err();
        assert_eq!((refused.kind, refused.reason), (kernel::Kind::Unavailable, "EVENTS_ELSEWHERE"));
        second.read_all(&mut following).await;
        let opened = second.reader.current.get().await.unwrap();
        assert_eq!((count(&opened.engine), opened.engine.unflushed()), (6.0, 6), "it flushes nothing");
        assert_eq!(register::segments(second.reader.db.read()).await.unwrap().len(), 1, "the writer's alone");

        // It reads no further than twice what calls for a flush, until it opens what the writer has flushed.
        bench.happen(6..12).await;
        second.read_all(&mut following).await;
        assert!((2 * FLUSH..3 * FLUSH).contains(&following.opened.engine.unflushed()));
        following.look -= LOOK;
        first.read_all(&mut writing).await;
        assert!(!second.reader.is_ours(&mut following).await, "there is something new");
        let mut next = second.reader.open(None).await.unwrap();
        let goal = second.reader.goal(&next);
        assert!(!next.has_read(&goal), "calls are answered from the earlier one still");
        second.read_all(&mut next).await;
        assert!(next.has_read(&goal));
        let next = second.shown(next);
        assert_eq!(count(&second.reader.current.get().await.unwrap().engine), 12.0);
        assert!(next.opened.engine.unflushed() < FLUSH);
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}

/// The loop as it runs: whoever follows takes over where the writer has gone.
#[tokio::test]
async fn who_follows_takes_over() {
    let work = async {
        let bench = Bench::new().await;
        let first = bench.process().await;
        first.reader.leases.acquired(LEASE).await;
        let second = bench.process().await;
        let (writer, follower) = (first.reader.current.clone(), second.reader.current.clone());
        let mut writing = JoinSet::new();
        writing.spawn(Tenant::Platform.scope(first.reader.run()));
        let mut following = JoinSet::new();
        following.spawn(Tenant::Platform.scope(second.reader.run()));
        bench.happen(0..6).await;
        for current in [&writer, &follower] {
            all(current, 6.0).await;
        }
        assert!(writer.held().is_some() && follower.held().is_none());
        writing.shutdown().await;
        drop(first.beats);
        bench.happen(6..9).await;
        // Nothing that was seen is missing meanwhile.
        all(&follower, 9.0).await;
        let taken = async {
            while follower.held().is_none() {
                all(&follower, 9.0).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, taken).await.expect("nobody takes over");
        all(&follower, 9.0).await;
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}

/// Whoever reads the files that the writer has compacted finds them still, also after another has become the writer.
#[tokio::test]
async fn files_that_were_compacted_stay_for_who_reads_them() {
    let work = async {
        let bench = Bench::new().await;
        let mut first = bench.process().await;
        let mut writing = first.open().await;
        bench.happen(0..2 * FLUSH as u64).await;
        first.read_all(&mut writing).await;
        let second = bench.process().await;
        let following = second.follow().await;
        compaction::run(first.reader.current.clone(), first.reader.db.clone()).await.unwrap();
        assert_eq!(register::segments(second.reader.db.read()).await.unwrap().len(), 1);
        drop(writing);
        first.stand_still().await;
        let _writer = second.open().await;
        assert_eq!(count(&following.opened.engine), 8.0, "from the two files of before");
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}

#[tokio::test]
async fn segments_that_another_process_has_compacted_are_not_compacted_again() {
    let work = async {
        let bench = Bench::new().await;
        let mut first = bench.process().await;
        let mut reading = first.open().await;
        for n in 0..2 {
            bench.happen(n * 4..n * 4 + 4).await;
            first.read_all(&mut reading).await;
        }
        let engine = reading.opened.engine.clone();
        let compacted = engine.compact(&engine.plan_compaction().unwrap()).unwrap();
        first.stand_still().await;

        let second = bench.process().await;
        let others = second.open().await;
        compaction::run(second.reader.current.clone(), second.reader.db.clone()).await.unwrap();
        let late = register::register_compacted(&first.reader.db, &compacted);
        let error = reading.opened.held.clone().unwrap().scope(late).await.unwrap_err();
        assert!(Held::is_lost(&error), "{error}");
        let registered = register::segments(second.reader.db.read()).await.unwrap();
        assert_eq!(registered.iter().map(|meta| meta.rows).collect::<Vec<_>>(), [8]);
        assert_eq!(count(&others.opened.engine), 8.0);
    };
    Box::pin(Tenant::Platform.scope(work)).await;
}
