//! The schema: the tables every service has, and running a service's own migrations after them.

use kernel::Result;
use sea_orm::DatabaseConnection;
use sea_orm_migration::prelude::*;

use crate::error::StoreResult as _;

/// Brings the schema up to date.
///
/// # Errors
/// When a migration fails; on PostgreSQL and SQLite alike a failed one changes nothing.
pub(crate) async fn run(db: &DatabaseConnection, migrations: Vec<Box<dyn MigrationTrait>>) -> Result<()> {
    let mut all: Vec<Box<dyn MigrationTrait>> = vec![Box::new(Shared)];
    all.extend(migrations);
    migrator::up(db, all).await.db()
}

mod migrator {
    //! sea-orm asks a type for its migrations; ours come as values, so they are handed over through a task-local.

    use sea_orm::{DatabaseConnection, DbErr};
    use sea_orm_migration::prelude::*;
    use std::cell::RefCell;

    tokio::task_local! {
        static MIGRATIONS: RefCell<Vec<Box<dyn MigrationTrait>>>;
    }

    pub(super) async fn up(db: &DatabaseConnection, all: Vec<Box<dyn MigrationTrait>>) -> Result<(), DbErr> {
        // `MigratorTrait::up` asks once per call.
        MIGRATIONS.scope(RefCell::new(all), Given::up(db, None)).await
    }

    struct Given;

    impl MigratorTrait for Given {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            MIGRATIONS.with(RefCell::take)
        }
    }
}

/// Outbox, log positions and dead letters.
#[derive(Debug)]
struct Shared;

impl MigrationName for Shared {
    fn name(&self) -> &'static str {
        "m0000_shared"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Shared {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outbox = Table::create()
            .table("outbox")
            .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new("payload").blob().not_null())
            .to_owned();
        let position = Table::create()
            .table("log_position")
            .col(ColumnDef::new("stream").string().not_null())
            .col(ColumnDef::new("partition").integer().not_null())
            .col(ColumnDef::new("position").big_integer().not_null())
            .col(ColumnDef::new("producers").text().not_null())
            .primary_key(Index::create().col("stream").col("partition"))
            .to_owned();
        let dead_letter = Table::create()
            .table("dead_letter")
            .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("stream").string().not_null())
            .col(ColumnDef::new("partition").integer().not_null())
            .col(ColumnDef::new("position").big_integer().not_null())
            .col(ColumnDef::new("reason").string().not_null())
            .col(ColumnDef::new("message").text().not_null())
            .col(ColumnDef::new("payload").blob().not_null())
            .to_owned();
        for table in [outbox, position, dead_letter] {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
