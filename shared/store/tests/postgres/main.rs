//! What only PostgreSQL has: a schema that others migrate, walls between tenants, several processes of one service.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod gone;
mod leases;
mod schema;
mod walls;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus::embedded::{EmbeddedLog, Options};
use bus::{Log as _, Record, Stream};
use kernel::{Activity, Clock, Kind, Workspace};
use prost::Message as _;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::prelude::*;
use store::audit::Entry;
use store::{Consumer, Database, DatabaseConfig, Delivery, Handler, Leases, Migrations, Relay, Tenant, Unit};
use testkit::postgres::Postgres;
use tokio::task::JoinSet;
use wire::event::Event;

/// A table of tenants.
struct Notes;

impl MigrationName for Notes {
    fn name(&self) -> &'static str {
        "m0001_notes"
    }
}

/// A later version of the schema.
struct Later(&'static str);

impl MigrationName for Later {
    fn name(&self) -> &'static str {
        self.0
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Notes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let note = Table::create()
            .table("note")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("text").string().not_null())
            .primary_key(Index::create().col("workspace").col("text"))
            .to_owned();
        manager.create_table(note).await
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Later {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

fn now() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Notes)]
}

fn next() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Notes), Box::new(Later("m0002_later"))]
}

fn after_next() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Notes), Box::new(Later("m0002_later")), Box::new(Later("m0003_last"))]
}

/// A schema of the test's own, which nobody has migrated.
async fn fresh() -> DatabaseConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("store_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let urls = Postgres::shared().await.unwrap().schemas(&name, &["notes"]).await.unwrap();
    let of = |url: String| url.replace("{service}", "notes");
    DatabaseConfig { owner_url: kernel::Secret::new(of(urls.owner_url)), ..DatabaseConfig::new(of(urls.url)) }
}

async fn open(config: &DatabaseConfig, migrations: Migrations) -> kernel::Result<Database> {
    Database::open("notes", config, migrations, &Clock::system()).await
}

async fn migrated() -> (DatabaseConfig, Database) {
    let config = fresh().await;
    Database::migrate("notes", &config, now).await.unwrap();
    let db = open(&config, now).await.unwrap();
    (config, db)
}

async fn refusal(config: &DatabaseConfig, migrations: Migrations) -> (&'static str, String) {
    let error = open(config, migrations).await.unwrap_err();
    assert_eq!(error.kind, Kind::Precondition, "{error}");
    (error.reason, error.message)
}

fn raw(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

fn of(workspace: &str) -> Tenant {
    Tenant::Workspace(Workspace::new(workspace))
}

/// A pool that is used up shows beside others that are idle, and counts against what it may open.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_by_pool() {
    let (_config, db) = migrated().await;
    let find = |name: &str| db.connections().into_iter().find(|pool| pool.name == name).unwrap();
    let counts = |name: &str| (find(name).used, find(name).idle + find(name).unopened);
    let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
    // What was given back is looked at before it is idle.
    until(|| [counts("read"), counts("write"), counts("platform")] == [(0, 4), (1, 2), (0, 2)]).await;
    let mut reading = JoinSet::new();
    for _ in 0..4 {
        let db = db.clone();
        let asleep = async move { db.read().query_one_raw(raw("SELECT pg_sleep(600)")).await };
        reading.spawn(of("a").scope(asleep));
    }
    until(|| [counts("read"), counts("write"), counts("platform")] == [(4, 0), (1, 2), (0, 2)]).await;
    drop(unit);
}

/// Facts of several processes reach the log in the order of their commits, once, and also those of one that has ended.
#[tokio::test]
async fn facts_of_several_processes_keep_their_order() {
    let (config, first) = migrated().await;
    let second = open(&config, now).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let mut relays = JoinSet::new();
    let mut relay = |db: &Database| {
        let relay = Relay {
            db: db.clone(),
            log: log.clone(),
            producer: "notes".into(),
            activity: Activity::default(),
        };
        relays.spawn(relay.run());
    };
    relay(&first);
    let publish = async |db: &Database, id: String| {
        let mut unit = db.begin().await.unwrap();
        unit.publish(&Workspace::new("demo"), &Event { id, ..Event::default() });
        unit.commit().await.unwrap();
    };
    // The second one has no relay yet: as if it had ended after its commits.
    for n in 0..100 {
        publish(if n % 3 == 0 { &second } else { &first }, n.to_string()).await;
    }
    relay(&second);
    let mut ids = Vec::new();
    while ids.len() < 100 {
        let from = ids.len() as u64;
        log.wait(Stream::Events, 0, from).await;
        let entries = log.read(Stream::Events, 0, from, 1_000).await.unwrap();
        assert!(entries.is_sorted_by_key(|entry| entry.record.sequence));
        ids.extend(entries.iter().map(|entry| Event::decode(entry.record.payload.clone()).unwrap().id));
    }
    assert_eq!(ids, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// How many events came at a time.
#[derive(Debug, Default)]
struct Batches(Mutex<Vec<usize>>);

impl Handler for Batches {
    async fn apply(&self, _: &mut Unit, batch: &[Delivery]) -> kernel::Result<()> {
        self.0.lock().unwrap().push(batch.len());
        Ok(())
    }
}

/// What comes in one by one is applied together; a backlog does not wait.
#[tokio::test(flavor = "multi_thread")]
async fn small_batches_keep_a_distance() {
    const FULL: usize = 50;
    let (_config, db) = migrated().await;
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let append = async |n: u64| {
        let record = Record {
            workspace: Workspace::new("demo"),
            key: n.to_be_bytes().to_vec().into(),
            producer: "test".into(),
            sequence: n,
            payload: Event { id: n.to_string(), ..Event::default() }.encode_to_vec().into(),
        };
        log.append(Stream::Raw, vec![record]).await.unwrap();
    };
    for n in 0..200 {
        append(n).await;
    }
    let (leases, handler) = (Leases::new(&db), Arc::new(Batches::default()));
    let consumer = Consumer {
        db,
        log: log.clone(),
        stream: Stream::Raw,
        service: "test",
        handler: handler.clone(),
        batch: FULL,
        activity: Activity::default(),
        leases: leases.clone(),
    };
    let applied = consumer.applied();
    let begin = Instant::now();
    let mut running = JoinSet::new();
    running.spawn(leases.run());
    running.spawn(consumer.run(applied.clone()));
    for n in 200..400 {
        append(n).await;
    }
    applied.caught_up().await.unwrap();
    let batches = handler.0.lock().unwrap();
    assert_eq!(batches.iter().sum::<usize>(), 400);
    let small = batches.iter().filter(|events| **events < FULL).count();
    let room = begin.elapsed().as_millis() / 20 + 1;
    assert!(small as u128 <= room, "{room} small batches have room: {batches:?}");
}

#[tokio::test]
async fn a_character_that_cannot_be_kept_is_the_senders_fault() {
    let (_config, db) = migrated().await;
    let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
    let values = ["a".into(), "张\0伟".into()];
    let insert =
        Statement::from_sql_and_values(DbBackend::Postgres, "INSERT INTO note VALUES ($1, $2)", values);
    let error = store::db_error(unit.db().execute_raw(insert).await.unwrap_err());
    assert_eq!((error.kind, error.reason), (Kind::Invalid, "TEXT_UNSTORABLE"));
}

/// Returns when it is so.
async fn until(mut so: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let begin = std::time::Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 s");
        ticks.tick().await;
    }
}
