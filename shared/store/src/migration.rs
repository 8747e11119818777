//! The schema: the tables every service has, a service's own migrations after them, and which schema a process takes.
//!
//! SQLite is brought up to date when it is opened. On PostgreSQL that is an operator's step (`guanxi migrate`), done by
//! the role that owns the tables; a process refuses a schema that is behind, and takes one that is one migration ahead,
//! so that the old processes go on while the new ones are rolled out.

mod audit;
mod dead_letter;
mod lease;
mod shared;
mod wall;

use std::collections::BTreeSet;

use kernel::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait as _};
use sea_orm_migration::{MigrationTrait, MigratorTraitSelf};

use crate::error::StoreResult as _;

/// A service's own migrations, in order. One that has been released never changes, and leaves what the release before
/// needs: that one still runs meanwhile.
pub type Migrations = fn() -> Vec<Box<dyn MigrationTrait>>;

struct Migrator(Migrations);

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut all: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(shared::Shared),
            Box::new(lease::Leases),
            Box::new(dead_letter::Redrive),
            Box::new(audit::Audit),
        ];
        all.extend((self.0)());
        all
    }
}

/// How a schema stands to what a process expects.
struct Standing {
    /// Migrations that it lacks.
    behind: Vec<String>,
    /// Migrations that only it knows.
    ahead: Vec<String>,
}

impl Standing {
    async fn of(db: &impl ConnectionTrait, migrations: Migrations) -> Result<Self> {
        let ours: Vec<String> =
            Migrator(migrations).migrations().iter().map(|migration| migration.name().to_owned()).collect();
        let there = applied(db).await?;
        Ok(Self {
            behind: ours.iter().filter(|name| !there.contains(*name)).cloned().collect(),
            ahead: there.into_iter().filter(|name| !ours.contains(name)).collect(),
        })
    }

    fn refuse_far_ahead(&self) -> Result<()> {
        if self.ahead.len() <= 1 {
            return Ok(());
        }
        let message = format!(
            "the schema is {} migrations ahead of this version ({}), which only takes one; start the version that \
             made it",
            self.ahead.len(),
            self.ahead.join(", ")
        );
        Err(Error::precondition("SCHEMA_AHEAD", message))
    }
}

/// Brings the schema up to date; one that is one migration ahead stays as it is.
///
/// # Errors
/// When a migration fails; on PostgreSQL and SQLite alike a failed one changes nothing.
/// [`kernel::Kind::Precondition`] for a schema that is further ahead.
pub(crate) async fn up(db: &DatabaseConnection, migrations: Migrations) -> Result<usize> {
    let standing = Standing::of(db, migrations).await?;
    standing.refuse_far_ahead()?;
    if standing.behind.is_empty() {
        return Ok(0);
    }
    if !standing.ahead.is_empty() {
        let message = format!(
            "the schema lacks {} and has {}: it was made by another line of versions",
            standing.behind.join(", "),
            standing.ahead.join(", ")
        );
        return Err(Error::precondition("SCHEMA_AHEAD", message));
    }
    Migrator(migrations).up(db, None).await.db()?;
    Ok(standing.behind.len())
}

/// Does the same as the owner of the tables on PostgreSQL, one at a time, and puts every table of a tenant behind the
/// wall; `role` is the one that services connect as.
///
/// # Errors
/// See [`up`]; [`kernel::Kind::Precondition`] for a database that is not fit.
pub(crate) async fn up_as_owner(
    db: &DatabaseConnection,
    migrations: Migrations,
    role: &str,
) -> Result<usize> {
    // Two that migrate at the same time: the second one waits here, and then finds nothing to do. The transaction is
    // only for the lock, which ends with it: it pauses for as long as the migrations take.
    let turn = db.begin().await.db()?;
    let lock = "SELECT set_config('idle_in_transaction_session_timeout', '0', true), \
                pg_advisory_xact_lock(hashtextextended(current_schema() || ' migrate', 0))";
    turn.query_one_raw(Statement::from_string(turn.get_database_backend(), lock)).await.db()?;
    wall::check_database(&turn).await?;
    let applied = up(db, migrations).await?;
    wall::build(db, role).await?;
    turn.commit().await.db()?;
    Ok(applied)
}

/// Refuses a schema that this process cannot run on.
///
/// # Errors
/// [`kernel::Kind::Precondition`] that says what to do.
pub(crate) async fn check(db: &impl ConnectionTrait, migrations: Migrations, service: &str) -> Result<()> {
    wall::check_database(db).await?;
    let standing = Standing::of(db, migrations).await?;
    if !standing.behind.is_empty() {
        let message = format!(
            "the schema lacks {}; run `guanxi migrate {service}` with {service}.database.owner_url set, then start again",
            standing.behind.join(", ")
        );
        return Err(Error::precondition("SCHEMA_BEHIND", message));
    }
    standing.refuse_far_ahead()?;
    wall::check_role(db, service).await
}

/// Names of the migrations that a schema has had.
async fn applied(db: &impl ConnectionTrait) -> Result<BTreeSet<String>> {
    let backend = db.get_database_backend();
    let table = match backend {
        sea_orm::DbBackend::Postgres => "SELECT 1 AS n WHERE to_regclass('seaql_migrations') IS NOT NULL",
        _ => "SELECT 1 AS n FROM sqlite_master WHERE name = 'seaql_migrations'",
    };
    if db.query_one_raw(Statement::from_string(backend, table)).await.db()?.is_none() {
        return Ok(BTreeSet::new());
    }
    let names = Statement::from_string(backend, "SELECT version FROM seaql_migrations");
    let rows = db.query_all_raw(names).await.db()?;
    rows.iter().map(|row| row.try_get("", "version").db()).collect()
}
