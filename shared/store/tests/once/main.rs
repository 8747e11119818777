//! Effects happen once: through crashes of the relay, repeated records, refused batches and poison events.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod dead_letters;
mod falls;
mod gone;
mod unreadable;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bus::embedded::{EmbeddedLog, Options};
use bus::{Log, Record, Stream};
use kernel::{Activity, Clock, Error, Kind, Result, Time, Warp, Workspace};
use prost::Message as _;
use sea_orm::{ConnectionTrait, EntityTrait as _, Schema, Set};
use store::position::Position;
use store::{Consumer, Database, DatabaseConfig, Delivery, Handler, Leases, Relay, StoreResult as _, Unit};
use tempfile::TempDir;
use tokio::task::JoinSet;
use wire::event::Event;

mod seen {
    //! Ids of applied events, without a key: doubled effects would show.

    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seen")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) n: i64,
        pub(crate) event: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Notes every event, answers each with a fact, and fails as told.
#[derive(Debug, Default)]
struct Notes {
    trouble: AtomicBool,
    /// Poison does no harm any more.
    cured: Arc<AtomicBool>,
    /// How often a batch was applied or tried.
    tries: Arc<AtomicUsize>,
}

impl Handler for Notes {
    fn wants(&self, _workspace: &Workspace, name: &str) -> bool {
        name != "noise"
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        for delivery in batch {
            let row = seen::ActiveModel { event: Set(delivery.event.id.clone()), ..Default::default() };
            seen::Entity::insert(row).exec_without_returning(unit.db()).await.db()?;
            if delivery.event.name == "poison" && !self.cured.load(Ordering::SeqCst) {
                return Err(Error::invalid("event", "is poison"));
            }
            if self.trouble.swap(false, Ordering::SeqCst) {
                return Err(Error::unavailable("a passing trouble"));
            }
            if delivery.event.name != "fact" {
                let fact = Event {
                    id: format!("of {}", delivery.event.id),
                    name: "fact".to_owned(),
                    ..Event::default()
                };
                unit.publish(&delivery.workspace, &fact);
            }
        }
        Ok(())
    }
}

struct Bench {
    folder: TempDir,
    log: Arc<EmbeddedLog>,
    clock: Clock,
    warp: Warp,
    batch: usize,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, warp) = Clock::warped(Time::from_seconds(1_795_226_400));
        let options = Options { clock: clock.clone(), ..Options::default() };
        let log = EmbeddedLog::open(&folder.path().join("log"), options).unwrap();
        Self { folder, log, clock, warp, batch: 7 }
    }

    async fn database(&self) -> Database {
        self.named("test").await
    }

    /// The database `name`, opened as a new process opens it.
    async fn named(&self, name: &str) -> Database {
        let url = format!("sqlite:{}", self.file(name).display());
        let config = DatabaseConfig::new(url);
        let db = Database::open("test", &config, Vec::new, &self.clock).await.unwrap();
        let unit = db.begin().await.unwrap();
        let backend = unit.db().get_database_backend();
        let table = Schema::new(backend).create_table_from_entity(seen::Entity).if_not_exists().to_owned();
        unit.db().execute(&table).await.unwrap();
        unit.commit().await.unwrap();
        db
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    /// Runs the relay and a consumer of the events stream until everything has settled, then stops them anywhere.
    async fn run(&self, db: &Database, handler: Notes) {
        drop(self.settled(db, handler).await);
    }

    /// The same, and they go on.
    async fn settled(&self, db: &Database, handler: Notes) -> JoinSet<()> {
        let (mut tasks, activity) = (JoinSet::new(), Activity::default());
        let relay = Relay {
            db: db.clone(),
            log: self.log.clone(),
            producer: "notes".into(),
            activity: activity.clone(),
        };
        tasks.spawn(relay.run());
        let consumer = Consumer {
            db: db.clone(),
            log: self.log.clone(),
            stream: Stream::Events,
            service: "notes",
            handler: Arc::new(handler),
            batch: self.batch,
            activity: activity.clone(),
            leases: Leases::new(db),
        };
        let applied = consumer.applied();
        tasks.spawn(consumer.run(applied));
        tokio::task::yield_now().await;
        activity.settled().await;
        tasks
    }

    async fn append(&self, sequence: u64, events: &[(&str, &str)]) {
        let record = |(n, (id, name)): (u64, &(&str, &str))| Record {
            workspace: Workspace::new("demo"),
            key: "k".into(),
            producer: "outside".into(),
            sequence: n,
            payload: Event { id: (*id).to_owned(), name: (*name).to_owned(), ..Event::default() }
                .encode_to_vec()
                .into(),
        };
        self.log.append(Stream::Events, (sequence..).zip(events).map(record).collect()).await.unwrap();
    }
}

/// Publishes a fact that nobody answers.
async fn publish(db: &Database, id: &str) {
    let mut unit = db.begin().await.unwrap();
    let fact = Event { id: id.to_owned(), name: "fact".to_owned(), ..Event::default() };
    unit.publish(&Workspace::new("demo"), &fact);
    unit.commit().await.unwrap();
}

async fn seen(db: &Database) -> Vec<String> {
    let mut ids: Vec<String> =
        seen::Entity::find().all(db.read()).await.unwrap().into_iter().map(|row| row.event).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn repeated_records_are_applied_once_and_facts_published_once() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(10, &[("a", "x"), ("b", "x")]).await;
    // A relay that crashed after appending appends again, some of it with news behind.
    bench.append(10, &[("a", "x"), ("b", "x"), ("c", "x")]).await;
    bench.append(11, &[("b", "x")]).await;
    bench.run(&db, Notes::default()).await;
    let wanted = ["a", "b", "c", "of a", "of b", "of c"];
    assert_eq!(seen(&db).await, wanted);
    // A new process on the same database: nothing is applied again, and what it left in the outbox is known.
    drop(db);
    let db = bench.database().await;
    bench.run(&db, Notes::default()).await;
    assert_eq!(seen(&db).await, wanted);
}

#[tokio::test]
async fn what_nobody_wants_passes_without_a_transaction_and_is_kept_soon_after() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "noise"), ("b", "fact"), ("c", "noise")]).await;
    bench.run(&db, Notes::default()).await;
    assert_eq!(seen(&db).await, ["b"]);
    bench.append(4, &[("d", "noise"), ("e", "noise")]).await;
    let going_on = bench.settled(&db, Notes::default()).await;
    let kept = async || Position::load(db.read(), Stream::Events, 0).await.unwrap().next;
    assert!(kept().await < 5, "passing by is no reason to commit");
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let soon = async {
        while kept().await < 5 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), soon).await.unwrap();
    drop(going_on);
    bench.append(6, &[("f", "fact")]).await;
    bench.run(&db, Notes::default()).await;
    assert_eq!(seen(&db).await, ["b", "f"]);
}

#[tokio::test]
async fn passing_trouble_is_tried_again_without_leaving_half_a_batch() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "fact"), ("b", "fact"), ("c", "fact")]).await;
    bench.run(&db, Notes { trouble: AtomicBool::new(true), ..Notes::default() }).await;
    assert_eq!(seen(&db).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_unit_that_is_not_committed_leaves_nothing() {
    let bench = Bench::new();
    let db = bench.database().await;
    let mut unit = db.begin().await.unwrap();
    unit.publish(&Workspace::new("demo"), &Event { id: "lost".to_owned(), ..Event::default() });
    let row = seen::ActiveModel { event: Set("lost".to_owned()), ..Default::default() };
    seen::Entity::insert(row).exec_without_returning(unit.db()).await.unwrap();
    drop(unit);
    bench.run(&db, Notes::default()).await;
    assert!(seen(&db).await.is_empty());
    assert_eq!(bench.log.end(Stream::Events, 0), 0);
}

/// A backup is older than the log: what the restored service publishes is news to readers who saw what it had published
/// after the backup, and what it publishes again is not.
#[tokio::test]
async fn a_service_restored_from_a_backup_is_heard() {
    let bench = Bench::new();
    let (writer, reader) = (bench.named("writer").await, bench.named("reader").await);
    publish(&writer, "a").await;
    let backup = format!("VACUUM INTO '{}'", bench.file("backup").display());
    let file = format!("sqlite:{}", bench.file("writer").display());
    #[expect(clippy::disallowed_methods, reason = "an operator's own connection")]
    let operator = sea_orm::Database::connect(file).await.unwrap();
    operator.execute_unprepared(&backup).await.unwrap();
    for id in ["b", "c", "d"] {
        publish(&writer, id).await;
    }
    bench.run(&writer, Notes::default()).await;
    bench.run(&reader, Notes::default()).await;
    assert_eq!(seen(&reader).await, ["a", "b", "c", "d"]);
    drop(writer);
    bench.warp.advance_to(bench.warp.now().plus(Duration::from_secs(60)));
    let restored = bench.named("backup").await;
    publish(&restored, "e").await;
    bench.run(&restored, Notes::default()).await;
    bench.run(&reader, Notes::default()).await;
    assert_eq!(seen(&reader).await, ["a", "b", "c", "d", "e"]);
}

/// The clock stood ahead (a demo) and is back: numbers still only grow.
#[tokio::test]
async fn a_clock_that_went_back_silences_nobody() {
    let bench = Bench::new();
    let (ahead, _warp) = Clock::warped(bench.clock.now().plus(Duration::from_secs(86_400)));
    let url = format!("sqlite:{}", bench.file("writer").display());
    let config = DatabaseConfig::new(url);
    let reader = bench.named("reader").await;
    for (id, clock) in [("a", &ahead), ("b", &bench.clock)] {
        let writer = Database::open("test", &config, Vec::new, clock).await.unwrap();
        publish(&writer, id).await;
        drop(writer);
        bench.run(&bench.named("writer").await, Notes::default()).await;
        bench.run(&reader, Notes::default()).await;
    }
    assert_eq!(seen(&reader).await, ["a", "b"]);
}

#[tokio::test]
async fn what_follows_a_commit_follows_it_whoever_goes_away() {
    let bench = Bench::new();
    let db = bench.database().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell = |word: &'static str| {
        let told = told.clone();
        move || told.send(word).unwrap_or_default()
    };
    let mut unit = db.begin().await.unwrap();
    unit.afterwards(tell("rolled back"));
    unit.roll_back().await.unwrap();
    let mut unit = db.begin().await.unwrap();
    unit.afterwards(tell("committed"));
    {
        // Asked once, then forgotten: what a cancelled call does.
        let mut commit = std::pin::pin!(unit.commit());
        assert!(futures::poll!(commit.as_mut()).is_pending());
    }
    assert_eq!(heard.recv().await, Some("committed"));
}

#[tokio::test]
async fn a_database_of_unknown_kind_is_refused() {
    let config = DatabaseConfig::new("mysql://x");
    assert_eq!(
        Database::open("test", &config, Vec::new, &Clock::system()).await.unwrap_err().kind,
        Kind::Precondition
    );
}
