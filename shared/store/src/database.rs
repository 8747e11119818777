//! A service's database: SQLite for one machine, PostgreSQL for many, behind one type.
//!
//! Either way one unit of work of a service is done at a time, so that what it reads stays true until it commits: SQLite
//! has one writer, on PostgreSQL a unit locks one row, also against the service's other processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::TryFutureExt as _;
use kernel::{Clock, Error, Ids, Result, Secret};
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};

use crate::Unit;
use crate::connect::{self, Engine};
use crate::error::{StoreResult as _, within};
use crate::lease::Held;
use crate::migration::{self, Migrations};
use crate::outbox::Outbox;
use crate::reader::Reader;
use crate::rows::Few;
use crate::tenant::Tenant;

/// Where the database is and how it is used.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:<file>` or `postgres://…`.
    pub url: Secret,
    /// The same database as the role that owns its tables; read by `guanxi migrate` alone.
    pub owner_url: Secret,
    /// Connections for reading, at the most; on PostgreSQL besides half as many and one for writing, two for reading on
    /// the platform's behalf, and one on which leases are held, on SQLite as many as threads read a few rows at the same
    /// time.
    pub connections: u32,
    /// A statement that takes longer is given up (PostgreSQL).
    pub statement_timeout: String,
}

/// Consumers and jobs read little outside of their units of work.
const PLATFORM_READS: u32 = 2;

impl DatabaseConfig {
    /// One of that URL and nothing special.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            owner_url: Secret::default(),
            connections: 4,
            statement_timeout: "30s".to_owned(),
        }
    }

    fn timeout(&self) -> Result<Duration> {
        kernel::time::parse_duration(&self.statement_timeout).map_err(|message| {
            Error::precondition("CONFIG_INVALID", format!("database.statement_timeout: {message}"))
        })
    }
}

/// The connections of one purpose. Whoever needs one waits for it when all are used, whatever other pools have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `read`, `write`, or `platform` for what is read on the platform's behalf.
    pub name: &'static str,
    /// In use.
    pub used: u32,
    /// Open and not in use.
    pub idle: u32,
    /// That may be opened besides.
    pub unopened: u32,
}

impl Pool {
    fn of(name: &'static str, connections: &DatabaseConnection) -> Self {
        let (open, idle, most) = match connections.get_database_backend() {
            DbBackend::Postgres => {
                let pool = connections.get_postgres_connection_pool();
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
            _ => {
                let pool = connections.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
        };
        // Asked one after the other, so that they may not fit.
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        Self { name, used: open - idle, idle, unopened: most.saturating_sub(open) }
    }
}

/// A service's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    read: Reader,
    write: DatabaseConnection,
    pub(crate) outbox: Outbox,
    ids: Ids,
    /// Names this process among those of the service.
    replica: Arc<str>,
    /// See [`Unit::generation`].
    generation: Arc<AtomicU64>,
    /// Longest wait for the answer to one statement.
    patience: Duration,
}

/// An answer that is so much later than the server's own limit does not come any more: the server's machine is gone, and
/// nothing tells, since we are waiting and send nothing.
const GONE: Duration = Duration::from_secs(5);
/// On a file, or without a limit of the server's own, nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(300);

impl Database {
    /// Connects. A SQLite file is made when missing and its schema brought up to date: the shared tables first, then
    /// `migrations`; on PostgreSQL the schema is only looked at (see [`Database::migrate`]).
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] for a URL of an unknown kind, a folder that cannot be written, a schema that is behind or
    /// too far ahead, a role that no wall between tenants holds; [`kernel::Kind::Unavailable`] when the database cannot be
    /// reached.
    pub async fn open(
        service: &str,
        config: &DatabaseConfig,
        migrations: Migrations,
        clock: &Clock,
    ) -> Result<Self> {
        let url = config.url.expose();
        let mut patience = PATIENCE;
        let (read, write) = match Engine::of(url)? {
            Engine::Sqlite(file) => {
                connect::make_folder(file)?;
                let write = connect::sqlite(url, 1, false).await?;
                migration::up(&write, migrations).await?;
                let read = connect::sqlite(url, config.connections.max(1), true).await?;
                (Reader::of_file(read, Few::of(&connect::file(url)?), patience), write)
            }
            Engine::Postgres => {
                let timeout = config.timeout()?;
                patience = if timeout.is_zero() { PATIENCE } else { timeout + GONE };
                let reads = config.connections.max(2);
                // Apart, so that a unit of work that reads beside itself finds a connection whoever waits to write.
                let server = connect::Server { url, service, timeout, patience };
                let write = server.connect(reads.div_ceil(2) + 1, None).await?;
                migration::check(&write, migrations, service).await?;
                let platform = server.connect(PLATFORM_READS, Some(Tenant::Platform)).await?;
                (Reader::of_server(server.connect(reads, None).await?, platform, patience), write)
            }
        };
        read.check().await?;
        let outbox = Tenant::Platform.scope(Outbox::load(&read, clock.now())).await?;
        let ids = Ids::new(clock.clone());
        let replica = ids.next().to_string().into();
        Ok(Self { read, write, outbox, ids, replica, generation: Arc::default(), patience })
    }

    /// Brings a schema up to date as its owner, and says how many migrations that took. On PostgreSQL every table of a
    /// tenant is put behind row-level security.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] without an owner's URL or for a database that is not fit,
    /// [`kernel::Kind::Unavailable`] when it cannot be reached; a migration that failed changed nothing.
    pub async fn migrate(service: &str, config: &DatabaseConfig, migrations: Migrations) -> Result<usize> {
        let url = config.url.expose();
        match Engine::of(url)? {
            Engine::Sqlite(file) => {
                connect::make_folder(file)?;
                migration::up(&connect::sqlite(url, 1, false).await?, migrations).await
            }
            Engine::Postgres => {
                let owner = config.owner_url.expose();
                if Engine::of(owner).ok() != Some(Engine::Postgres) {
                    let message = format!(
                        "set {service}.database.owner_url to the same database as the role that owns its tables"
                    );
                    return Err(Error::precondition("OWNER_URL_MISSING", message));
                }
                let role = connect::role(url)?;
                // A table may be large: no limit but the operator's patience.
                let service = &format!("migrate {service}");
                let server =
                    connect::Server { url: owner, service, timeout: Duration::ZERO, patience: Duration::MAX };
                let owner = server.connect(3, None).await?;
                migration::up_as_owner(&owner, migrations, &role).await
            }
        }
    }

    /// For queries outside a unit of work; sees what has been committed.
    pub fn read(&self) -> &Reader {
        &self.read
    }

    /// Names this process among those of the service; a new name at every start.
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Whether other processes may have the same database open.
    pub fn is_shared(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Postgres
    }

    /// Begins a unit of work. There is one at a time.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when the database stays busy.
    pub async fn begin(&self) -> Result<Unit> {
        let txn = self.transaction().await?;
        if !self.is_shared() {
            return Ok(self.unit(txn));
        }
        let text = "SELECT set_config('guanxi.workspace', $1, true), set_config('guanxi.platform', $2, true), replica \
                    FROM writer WHERE id = 1 FOR UPDATE";
        let tenant = Tenant::current();
        let (workspace, platform) = Tenant::settings(tenant.as_ref());
        let values = [workspace.into(), platform.into()];
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
        let row = within(self.patience, txn.query_one_raw(lock)).await?;
        let row =
            row.ok_or_else(|| Error::internal("the table writer is empty: run the migrations again"))?;
        let last: String = row.try_get("", "replica").db()?;
        // A call within the process carries the lease of the service that called into another one's work.
        if let Some(held) = Held::current().filter(|held| held.is_of(self)) {
            held.pin(&txn).await?;
        }
        if *last != *self.replica {
            self.forget();
            let text = "UPDATE writer SET replica = $1 WHERE id = 1";
            let values = [self.replica.to_string().into()];
            txn.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, text, values)).await.db()?;
        }
        Ok(self.unit(txn))
    }

    fn unit(&self, txn: DatabaseTransaction) -> Unit {
        let generation = self.generation.load(Ordering::SeqCst);
        Unit::new(txn, self.outbox.clone(), self.ids.clone(), generation, self.patience)
    }

    /// What memory keeps of the database may be wrong from now on.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Longest wait for the answer to one statement: after that the server's machine is taken for gone.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// A new connection beside the pools, which ends when it is dropped (PostgreSQL).
    pub(crate) async fn own_connection(&self) -> Result<PgConnection> {
        let options = self.write.get_postgres_connection_pool().connect_options();
        let refused = |cause: sea_orm::sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(cause.into()));
        within(self.patience, PgConnection::connect_with(&options).map_err(refused)).await
    }

    /// A transaction, which on SQLite is the only one from its beginning.
    pub(crate) async fn transaction(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        within(self.patience, self.write.begin_with_options(options)).await
    }

    /// How the connections are used, by pool; that on which leases are held (PostgreSQL) belongs to none.
    pub fn connections(&self) -> Vec<Pool> {
        self.pools().map(|(name, connections)| Pool::of(name, connections)).collect()
    }

    fn pools(&self) -> impl Iterator<Item = (&'static str, &DatabaseConnection)> {
        self.read.pools().chain([("write", &self.write)])
    }

    /// Ends all connections once they are idle; what is asked afterwards fails. A SQLite file stands alone then.
    pub async fn close(&self) {
        if let Some(few) = self.read.few() {
            few.close();
        }
        for (name, pool) in self.pools() {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(pool = name, %error, "connections to the database could not be closed");
            }
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// [`kernel::Kind::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.write.ping().await.db()
    }
}
