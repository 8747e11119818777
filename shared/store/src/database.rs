//! Connecting: SQLite for one machine, PostgreSQL for many, behind one type.

use std::path::Path;
use std::time::Duration;

use kernel::{Clock, Error, Kind, Result, Secret};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, DatabaseConnection, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};
use sea_orm_migration::MigrationTrait;

use crate::error::StoreResult as _;
use crate::outbox::Outbox;
use crate::{Unit, migration};

/// Where the database is and how it is used.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:<file>` or `postgres://…`.
    pub url: Secret,
    /// Connections for reading (SQLite) or in all (PostgreSQL).
    pub connections: u32,
}

/// A service's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    read: DatabaseConnection,
    write: DatabaseConnection,
    pub(crate) outbox: Outbox,
}

impl Database {
    /// Connects and brings the schema up to date: the shared tables first, then `migrations`. `clock` is asked once, for
    /// the number of the next outgoing row.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for a URL of an unknown kind or a folder that cannot be written,
    /// [`Kind::Unavailable`] when the database cannot be reached.
    pub async fn open(
        config: &DatabaseConfig,
        migrations: Vec<Box<dyn MigrationTrait>>,
        clock: &Clock,
    ) -> Result<Self> {
        let url = config.url.expose();
        let (read, write) = if let Some(file) = url.strip_prefix("sqlite:") {
            make_folder(Path::new(file))?;
            let write = connect(sqlite(url, 1, false)).await?;
            migration::run(&write, migrations).await?;
            (connect(sqlite(url, config.connections.max(1), true)).await?, write)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = connect(pooled(url, config.connections.max(2))).await?;
            migration::run(&pool, migrations).await?;
            (pool.clone(), pool)
        } else {
            return Err(Error::precondition(
                "DATABASE_URL_UNKNOWN",
                "database.url must begin with `sqlite:` or `postgres:`",
            ));
        };
        let outbox = Outbox::load(&read, clock.now()).await?;
        Ok(Self { read, write, outbox })
    }

    /// For queries outside a unit of work; sees what has been committed.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// Begins a unit of work. On SQLite there is one at a time.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the database stays busy.
    pub async fn begin(&self) -> Result<Unit> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let txn = self.write.begin_with_options(options).await.db()?;
        Ok(Unit::new(txn, self.outbox.clone()))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.read.ping().await.db()
    }
}

fn make_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|cause| {
        let message = format!(
            "the folder {} cannot be written: {cause}; choose another data directory",
            folder.display()
        );
        Error::new(Kind::Precondition, "DATA_DIRECTORY_NOT_WRITABLE", message).caused_by(cause)
    })
}

fn sqlite(url: &str, connections: u32, read_only: bool) -> ConnectOptions {
    let mut options = pooled(url, connections);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .create_if_missing(!read_only)
            .read_only(read_only)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .statement_cache_capacity(256)
            .pragma("wal_autocheckpoint", "4000")
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "memory")
    });
    options
}

fn pooled(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    options
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects")]
async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    sea_orm::Database::connect(options).await.map_err(|cause| {
        Error::new(
            Kind::Unavailable,
            "DATABASE_UNAVAILABLE",
            format!("the database cannot be opened: {cause}"),
        )
        .caused_by(cause)
    })
}
