//! A disk of PostgreSQL that fails for a while: events wait for it and none is set aside.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus::embedded::{EmbeddedLog, Options};
use bus::{Log as _, Record, Stream};
use kernel::{Activity, Clock, Secret, Workspace};
use prost::Message as _;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::prelude::*;
use store::{
    Consumer, Database, DatabaseConfig, Delivery, Handler, Leases, StoreResult as _, Tenant, Unit, Waiting,
};
use testkit::postgres::Postgres;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use wire::event::Event;

/// Halving ten events after each failure would have come to one that fails alone, and set it aside, one try before.
const TRIES: usize = 6;

struct Notes;

impl MigrationName for Notes {
    fn name(&self) -> &'static str {
        "m0001_notes"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Notes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let note = Table::create().table("note").col(ColumnDef::new("text").string().not_null()).to_owned();
        manager.create_table(note).await
    }
}

/// Writes every event down.
#[derive(Debug, Default)]
struct Writer {
    failed: AtomicUsize,
    failing: Notify,
}

impl Handler for Writer {
    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> kernel::Result<()> {
        for delivery in batch {
            let values = [delivery.event.id.clone().into()];
            let text = "INSERT INTO note VALUES ($1)";
            let insert = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
            unit.db().execute_raw(insert).await.db()?;
        }
        Ok(())
    }

    fn rolled_back(&self) {
        self.failed.fetch_add(1, Ordering::SeqCst);
        self.failing.notify_one();
    }
}

/// The file in which the server keeps a table.
async fn file_of(db: &DatabaseConnection, table: &str) -> PathBuf {
    let text =
        format!("SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{table}') AS file");
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, text)).await.unwrap().unwrap();
    row.try_get::<String>("", "file").unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_for_a_disk_that_fails() {
    let server = Postgres::start_apart().await.unwrap();
    let urls = server.schemas("broken", &["notes"]).await.unwrap();
    let of = |url: String| url.replace("{service}", "notes");
    let config =
        DatabaseConfig { owner_url: Secret::new(of(urls.owner_url)), ..DatabaseConfig::new(of(urls.url)) };
    let migrations: store::Migrations = || vec![Box::new(Notes)];
    Database::migrate("notes", &config, migrations).await.unwrap();

    #[expect(clippy::disallowed_methods, reason = "looks where the server keeps its files, as a superuser")]
    let admin = {
        let (server, _) = server.admin().rsplit_once('/').unwrap();
        sea_orm::Database::connect(format!("{server}/guanxi_test")).await.unwrap()
    };
    let file = file_of(&admin, "broken_notes.note").await;
    admin.execute_unprepared("CHECKPOINT").await.unwrap();
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).unwrap();

    let db = Database::open("notes", &config, migrations, &Clock::system()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let record = |n: u64| Record {
        workspace: Workspace::new("demo"),
        key: n.to_be_bytes().to_vec().into(),
        producer: "test".into(),
        sequence: n,
        payload: Event { id: n.to_string(), ..Event::default() }.encode_to_vec().into(),
    };
    log.append(Stream::Raw, (0..10).map(record).collect()).await.unwrap();
    let (leases, writer) = (Leases::new(&db), Arc::new(Writer::default()));
    let consumer = Consumer {
        db: db.clone(),
        log,
        stream: Stream::Raw,
        service: "notes",
        handler: writer.clone(),
        batch: 100,
        activity: Activity::default(),
        leases: leases.clone(),
    };
    let applied = consumer.applied();
    let mut running = JoinSet::new();
    running.spawn(leases.run());
    running.spawn(Tenant::Platform.scope(consumer.run(applied.clone())));
    let failing = async {
        while writer.failed.load(Ordering::SeqCst) < TRIES {
            writer.failing.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), failing).await.expect("the disk does not fail");
    assert_eq!(db.waiting().await.unwrap(), Waiting::default(), "events were set aside");

    std::fs::rename(&away, &file).unwrap();
    tokio::time::timeout(Duration::from_secs(30), applied.caught_up()).await.unwrap().unwrap();
    assert_eq!(db.waiting().await.unwrap(), Waiting::default());
    let notes = Statement::from_string(DbBackend::Postgres, "SELECT text FROM broken_notes.note");
    assert_eq!(admin.query_all_raw(notes).await.unwrap().len(), 10);
}
