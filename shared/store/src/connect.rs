//! Opening connections: SQLite for one machine, PostgreSQL for many.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Error, Kind, Result};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection as _};
use sea_orm::{ConnectOptions, DatabaseConnection};
use tokio::time::{Instant, timeout};

use crate::tenant::Tenant;

/// What a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine<'a> {
    /// The file.
    Sqlite(&'a Path),
    Postgres,
}

impl<'a> Engine<'a> {
    /// # Errors
    /// [`Kind::Precondition`] for a URL of another kind.
    pub(crate) fn of(url: &'a str) -> Result<Self> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            Ok(Self::Sqlite(Path::new(file)))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Ok(Self::Postgres)
        } else {
            let message = "database.url must begin with `sqlite:` or `postgres:`";
            Err(Error::precondition("DATABASE_URL_UNKNOWN", message))
        }
    }
}

/// Connections to a file, which is made when missing unless they only read.
pub(crate) async fn sqlite(url: &str, connections: u32, read_only: bool) -> Result<DatabaseConnection> {
    let mut options = pool(url, connections);
    // A file does not go away.
    options.test_before_acquire(false);
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
    connect(options).await
}

/// Longest pause within a transaction: a process that was stopped in the middle of one lets go of its locks then.
const LONGEST_PAUSE: &str = "10s";

/// A connection that has not been used for so long is tried before it is: the server may have gone and come back.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// And so long it may take to answer then.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Where connections to a server lead, and what they are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server<'a> {
    pub(crate) url: &'a str,
    pub(crate) service: &'a str,
    /// A statement that takes longer is given up, and so is one that waits so long for a lock.
    pub(crate) timeout: Duration,
    /// Longest wait for an answer, also for one that nobody waits for any more: only then a connection is given up. Its
    /// place would be taken until the system finds that nobody is there.
    pub(crate) patience: Duration,
}

impl Server<'_> {
    /// So many connections at the most. What is asked without a transaction is asked on behalf of `tenant`; of nobody
    /// without one.
    pub(crate) async fn connect(
        self,
        connections: u32,
        tenant: Option<Tenant>,
    ) -> Result<DatabaseConnection> {
        greet(self.url).await?;
        let mut options = pool(self.url, connections);
        options.test_before_acquire(false).map_sqlx_postgres_before_acquire(|connection, so_far| {
            Box::pin(
                async move { Ok(so_far.idle_for < DOUBTFUL || answers(connection, SIGN_OF_LIFE).await?) },
            )
        });
        let (name, timeout, patience) = (format!("guanxi {}", self.service), self.timeout, self.patience);
        options.map_sqlx_postgres_pool_opts(move |pool| {
            pool.after_release(move |connection, _| Box::pin(answers(connection, patience)))
        });
        options.map_sqlx_postgres_opts(move |postgres| {
            let (workspace, platform) = Tenant::settings(tenant.as_ref());
            postgres.application_name(&name).statement_cache_capacity(256).options([
                ("statement_timeout", format!("{}ms", timeout.as_millis())),
                ("idle_in_transaction_session_timeout", LONGEST_PAUSE.to_owned()),
                ("guanxi.workspace", workspace.to_owned()),
                ("guanxi.platform", platform.to_owned()),
            ])
        });
        connect(options).await
    }
}

/// # Errors
/// When it does not in time: the pool closes a connection then without a word.
async fn answers(connection: &mut PgConnection, patience: Duration) -> sqlx::Result<bool> {
    let silent = |_| sqlx::Error::Io(ErrorKind::TimedOut.into());
    timeout(patience, connection.ping()).await.map_err(silent).flatten().map(|()| true)
}

/// A database that is only starting is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Connects once, so that what is wrong is known: a pool tries a connection that is refused again and again, and in the
/// end only says that it took too long.
async fn greet(url: &str) -> Result<()> {
    let options = postgres_options(url)?;
    let place = format!(
        "{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_default()
    );
    let begin = Instant::now();
    loop {
        let cause = match timeout(PATIENCE, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => {
                // It is as good as closed when that fails.
                let _closed = connection.close().await.is_ok();
                return Ok(());
            }
            Ok(Err(cause)) if is_tls(&cause, url) => return Err(untrusted(&place, cause)),
            Ok(Err(cause @ sqlx::Error::Io(_))) if begin.elapsed() < PATIENCE => cause,
            Ok(Err(cause)) => return Err(unopened(&format!(" at {place}"), cause)),
            Err(cause) => return Err(unopened(&format!(" at {place}"), cause)),
        };
        tracing::warn!(place, error = %cause, "the database cannot be reached; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether it is about certificates, which do not get better by waiting.
fn is_tls(cause: &sqlx::Error, url: &str) -> bool {
    match cause {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(cause) => match cause.kind() {
            // What rustls does not believe.
            ErrorKind::InvalidData => true,
            // The file with the authorities.
            ErrorKind::NotFound | ErrorKind::PermissionDenied => url.contains("sslrootcert="),
            _ => false,
        },
        _ => false,
    }
}

fn untrusted(place: &str, cause: sqlx::Error) -> Error {
    let message = format!(
        "TLS with the database at {place} fails: {cause}; see that it speaks TLS, that its certificate is valid and names \
         this host, and that `sslrootcert` in database.url names a readable file with its authority (without it public \
         authorities alone are believed)"
    );
    Error::precondition("DATABASE_TLS", message).caused_by(cause)
}

fn unopened(place: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!(
        "the database{place} cannot be opened: {cause}; see that it runs, and that database.url names its host, \
         database, role and password"
    );
    Error::new(Kind::Unavailable, "DATABASE_UNAVAILABLE", message).caused_by(cause)
}

fn pool(url: &str, connections: u32) -> ConnectOptions {
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
    sea_orm::Database::connect(options).await.map_err(|cause| unopened("", cause))
}

/// The file that a URL of SQLite names, as sqlx reads it.
pub(crate) fn file(url: &str) -> Result<PathBuf> {
    let options = url.parse::<SqliteConnectOptions>().map_err(|cause| unopened("", cause))?;
    Ok(options.get_filename().to_owned())
}

/// Makes the folder of a database file.
pub(crate) fn make_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|cause| {
        let message = format!(
            "the folder {} cannot be written: {cause}; choose another data directory",
            folder.display()
        );
        Error::new(Kind::Precondition, "DATA_DIRECTORY_NOT_WRITABLE", message).caused_by(cause)
    })
}

/// The role that a URL of PostgreSQL names.
pub(crate) fn role(url: &str) -> Result<String> {
    Ok(postgres_options(url)?.get_username().to_owned())
}

fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    url.parse().map_err(|cause| {
        Error::precondition("DATABASE_URL_UNKNOWN", format!("database.url cannot be read: {cause}"))
    })
}
