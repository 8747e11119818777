//! What only PostgreSQL has: a schema that others migrate, walls between tenants, several processes of one service.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

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

#[tokio::test]
async fn a_schema_that_is_behind_or_far_ahead_is_refused() {
    let config = fresh().await;
    let (reason, message) = refusal(&config, now).await;
    assert_eq!(reason, "SCHEMA_BEHIND");
    assert!(message.contains("guanxi migrate notes") && message.contains("m0001_notes"), "{message}");

    assert_eq!(Database::migrate("notes", &config, now).await.unwrap(), 5);
    assert_eq!(
        Database::migrate("notes", &config, now).await.unwrap(),
        0,
        "the second time there is nothing to do"
    );
    open(&config, now).await.unwrap();
    let (reason, message) = refusal(&config, next).await;
    assert!(reason == "SCHEMA_BEHIND" && message.contains("m0002_later"), "{message}");

    Database::migrate("notes", &config, next).await.unwrap();
    open(&config, now).await.expect("a process runs unchanged on a schema that is one ahead");
    assert_eq!(
        Database::migrate("notes", &config, now).await.unwrap(),
        0,
        "nor does an old version touch it"
    );

    Database::migrate("notes", &config, after_next).await.unwrap();
    assert_eq!(refusal(&config, now).await.0, "SCHEMA_AHEAD");
    open(&config, next).await.unwrap();
}

#[tokio::test]
async fn two_who_migrate_at_once_do_it_once() {
    let config = fresh().await;
    let (one, other) =
        tokio::join!(Database::migrate("notes", &config, now), Database::migrate("notes", &config, now));
    assert_eq!(one.unwrap() + other.unwrap(), 5);
}

#[tokio::test]
async fn roles_that_no_wall_holds_and_missing_owners_are_refused() {
    let (config, _db) = migrated().await;
    let admin = Postgres::shared().await.unwrap().admin();
    let schema = config.url.expose().split("search_path").nth(1).unwrap();
    let as_admin = admin.rsplit_once('/').unwrap().0;
    let free = DatabaseConfig::new(format!("{as_admin}/guanxi_test?options=-c%20search_path{schema}"));
    assert_eq!(refusal(&free, now).await.0, "DATABASE_ROLE");
    let ordered_by_language = DatabaseConfig::new(format!("{as_admin}/template1"));
    let found = open(&ordered_by_language, now).await.unwrap_err();
    assert!(["DATABASE_COLLATION", "SCHEMA_BEHIND"].contains(&found.reason), "{found}");
    let error = Database::migrate("notes", &DatabaseConfig::new(config.url.expose()), now).await.unwrap_err();
    assert!(
        error.reason == "OWNER_URL_MISSING" && error.message.contains("notes.database.owner_url"),
        "{error}"
    );
}

/// Whatever a statement says, a transaction sees and writes the rows of its own workspace, and without one none.
#[tokio::test]
async fn walls_stand_between_tenants() {
    let (_config, db) = migrated().await;
    let insert = |workspace: &str| raw(&format!("INSERT INTO note VALUES ('{workspace}', '张伟')"));
    for workspace in ["a", "b"] {
        of(workspace)
            .scope(async {
                let unit = db.begin().await.unwrap();
                unit.db().execute_raw(insert(workspace)).await.unwrap();
                unit.commit().await.unwrap();
            })
            .await;
    }
    let all = || raw("SELECT * FROM note");
    for (tenant, sees) in [(of("a"), 1), (of("b"), 1), (of("c"), 0), (of(""), 0), (Tenant::Platform, 2)] {
        let seen = tenant.clone().scope(db.read().query_all_raw(all())).await.unwrap().len();
        assert_eq!(seen, sees, "{tenant:?} outside a unit of work");
        let seen = tenant.clone().scope(async {
            let unit = db.begin().await.unwrap();
            unit.db().query_all_raw(all()).await.unwrap().len()
        });
        assert_eq!(seen.await, sees, "{tenant:?} within one");
    }
    assert_eq!(db.read().query_all_raw(all()).await.unwrap().len(), 0, "nobody said for whom");
    let stolen = of("a").scope(async {
        let unit = db.begin().await.unwrap();
        let moved =
            unit.db().execute_raw(raw("UPDATE note SET text = 'x' WHERE workspace = 'b'")).await.unwrap();
        assert_eq!(moved.rows_affected(), 0);
        unit.db().execute_raw(insert("b2")).await
    });
    assert!(stolen.await.unwrap_err().to_string().contains("row-level security"));
    assert!(db.read().execute_unprepared("DELETE FROM note").await.is_err(), "readers do not write");
}

/// What goes out bears no workspace of its own: whoever works for one adds to it, and only the platform sees it.
#[tokio::test]
async fn what_goes_out_is_the_platforms_alone() {
    let (config, db) = migrated().await;
    for workspace in ["a", "b"] {
        let work = async {
            let mut unit = db.begin().await.unwrap();
            unit.publish(&Workspace::new(workspace), &Event { id: workspace.to_owned(), ..Event::default() });
            unit.commit().await.unwrap();
        };
        of(workspace).scope(work).await;
    }
    let all = || raw("SELECT * FROM outbox");
    for (tenant, sees) in [(of("a"), 0), (of(""), 0), (Tenant::Platform, 2)] {
        let seen = tenant.clone().scope(db.read().query_all_raw(all())).await.unwrap().len();
        assert_eq!(seen, sees, "{tenant:?}");
    }
    assert_eq!(db.read().query_all_raw(all()).await.unwrap().len(), 0, "nobody said for whom");
    for statement in ["DELETE FROM outbox", "UPDATE outbox SET id = id + 1000"] {
        let touched = of("a").scope(async {
            let unit = db.begin().await.unwrap();
            let touched = unit.db().execute_raw(raw(statement)).await.unwrap().rows_affected();
            unit.commit().await.unwrap();
            touched
        });
        assert_eq!(touched.await, 0, "{statement}");
    }
    // The relay takes them, also those that another process has left.
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let db = open(&config, now).await.unwrap();
    let (producer, activity) = ("notes".into(), Activity::default());
    let relay = Relay { db: db.clone(), log: log.clone(), producer, activity };
    let mut running = JoinSet::new();
    running.spawn(relay.run());
    log.wait(Stream::Events, 0, 1).await;
    assert_eq!(log.read(Stream::Events, 0, 0, 10).await.unwrap().len(), 2);
}

/// An upgrade migrates while the release before serves: nobody finds a table whose wall is being put up anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_in_sight_while_walls_are_renewed() {
    let (config, db) = migrated().await;
    let insert = async {
        let unit = db.begin().await.unwrap();
        unit.db().execute_raw(raw("INSERT INTO note VALUES ('a', '张伟')")).await.unwrap();
        unit.commit().await.unwrap();
    };
    of("a").scope(insert).await;
    let (reader, done) = (db.clone(), Arc::new(AtomicBool::new(false)));
    let mut reading = JoinSet::new();
    reading.spawn(of("a").scope({
        let done = done.clone();
        async move {
            while !done.load(Ordering::Relaxed) {
                let seen = reader.read().query_all_raw(raw("SELECT * FROM note")).await.unwrap().len();
                assert_eq!(seen, 1, "it was out of sight");
            }
        }
    }));
    for _ in 0..20 {
        Database::migrate("notes", &config, now).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reading.join_next().await.unwrap().unwrap();
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

/// The service may only add to the audit log, in its tenant's name; and nobody changes what stands there.
#[tokio::test]
async fn the_audit_log_is_append_only_and_walled() {
    let (config, db) = migrated().await;
    for workspace in ["a", "b"] {
        let work = async {
            let mut unit = db.begin().await.unwrap();
            unit.audit(entry(workspace));
            unit.commit().await.unwrap();
        };
        of(workspace).scope(work).await;
    }
    let seen = of("a").scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(seen.len(), 1);
    let foreign = of("a").scope(async {
        let mut unit = db.begin().await.unwrap();
        unit.audit(entry("b"));
        unit.commit().await
    });
    foreign.await.unwrap_err();
    #[expect(
        clippy::disallowed_methods,
        reason = "as the owner of the tables does, whom the platform does not know"
    )]
    let owner = sea_orm::Database::connect(config.owner_url.expose()).await.unwrap();
    for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"] {
        let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
        let refused = unit.db().execute_raw(raw(statement)).await.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{statement}: {refused}");
        let refused = owner.execute_raw(raw(statement)).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let all = Tenant::Platform.scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(all.len(), 2);
    // The operator's way, as deploy/README.md has it.
    let thin = "BEGIN; SET LOCAL guanxi.platform = 'on'; \
                ALTER TABLE audit DISABLE TRIGGER audit_is_append_only; DELETE FROM audit WHERE workspace = 'a'; \
                ALTER TABLE audit ENABLE TRIGGER audit_is_append_only; COMMIT;";
    owner.execute_unprepared(thin).await.unwrap();
    let left = Tenant::Platform.scope(db.read().query_all_raw(raw("SELECT * FROM audit"))).await.unwrap();
    assert_eq!(left.len(), 1);
    owner.execute_raw(raw("DELETE FROM audit")).await.unwrap_err();
}

fn entry(workspace: &str) -> Entry {
    Entry {
        workspace: Workspace::new(workspace),
        actor: "li.wei".to_owned(),
        method: "guanxi.notes.v1.NoteService/CreateNote".to_owned(),
        resource_kind: "note".to_owned(),
        resource_id: "张伟".to_owned(),
        before: None,
        after: Some("{}".to_owned()),
        trace_id: String::new(),
    }
}

/// Several processes have the work evenly; what one leaves, the others take at once.
#[tokio::test]
async fn leases_are_shared_and_taken_over() {
    let (config, _db) = migrated().await;
    let names: Vec<String> = (0..4).map(|n| format!("events {n}")).collect();
    let member = async || {
        let db = open(&config, now).await.unwrap();
        let leases = Leases::new(&db);
        names.iter().for_each(|name| leases.want(name));
        let mut running = JoinSet::new();
        running.spawn(leases.clone().run());
        (leases, running)
    };
    let (first, _running) = member().await;
    until(|| first.count() == (4, 4)).await;
    let (second, second_runs) = member().await;
    until(|| first.count().0 == 2 && second.count().0 == 2).await;
    let both = names.iter().filter(|name| first.held(name).is_some() && second.held(name).is_some()).count();
    assert_eq!(both, 0);
    let fences: Vec<i64> = names.iter().filter_map(|name| second.held(name)).map(|held| held.fence).collect();
    let begin = std::time::Instant::now();
    drop(second_runs);
    until(|| first.count().0 == 4).await;
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "it need not wait for the end of a lease: {:?}",
        begin.elapsed()
    );
    let taken: Vec<i64> = names.iter().filter_map(|name| first.held(name)).map(|held| held.fence).collect();
    assert!(taken.iter().max() > fences.iter().max(), "{taken:?} {fences:?}");
}

/// What there is to share may grow: a channel that is made later has work of its own.
#[tokio::test]
async fn work_that_comes_later_is_shared_too() {
    let (_config, db) = migrated().await;
    let leases = Leases::new(&db);
    leases.want("job first");
    let mut running = JoinSet::new();
    running.spawn(leases.clone().run());
    leases.acquired("job first").await;
    leases.want("job later");
    tokio::time::timeout(Duration::from_secs(30), leases.acquired("job later")).await.expect("nobody has it");
}

/// Whoever has lost its lease, and does not know it yet, writes nothing; whoever writes is not overtaken meanwhile.
#[tokio::test]
async fn a_lost_lease_writes_nothing() {
    let (config, db) = migrated().await;
    let leases = Leases::new(&db);
    leases.want("events 0");
    let mut running = JoinSet::new();
    running.spawn(leases.clone().run());
    let held = leases.acquired("events 0").await;
    drop(running);

    let other = open(&config, now).await.unwrap();
    let unit = held.clone().scope(db.begin()).await.unwrap();
    let others = Leases::new(&other);
    others.want("events 0");
    let mut running = JoinSet::new();
    running.spawn(others.clone().run());
    tokio::time::timeout(Duration::from_millis(1_500), others.acquired("events 0"))
        .await
        .expect_err("taken in the midst of a unit of work");
    unit.commit().await.unwrap();
    let newer = others.acquired("events 0").await;
    assert!(newer.fence > held.fence);

    let error = held.scope(db.begin()).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Unavailable, "LEASE_LOST"));
    newer.scope(other.begin()).await.unwrap().roll_back().await.unwrap();
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

/// What memory keeps is to be read anew after another process has written, and only then.
#[tokio::test]
async fn a_unit_knows_that_others_wrote() {
    let (config, first) = migrated().await;
    let second = open(&config, now).await.unwrap();
    let heard = async |db: &Database, commits: bool| {
        let unit = db.begin().await.unwrap();
        let heard = unit.others_wrote();
        if commits {
            unit.commit().await.unwrap()
        } else {
            unit.roll_back().await.unwrap()
        }
        heard
    };
    assert!(heard(&first, true).await, "who knows what was before");
    assert!(!heard(&first, true).await);
    assert!(heard(&second, false).await);
    assert!(heard(&second, true).await, "said again until it is acted upon");
    assert!(heard(&first, true).await);
    assert!(!heard(&first, true).await);
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
