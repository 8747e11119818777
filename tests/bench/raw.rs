//! The floor under ingest: the same payloads as plain rows in SQLite (WAL, `synchronous = FULL`), by sea-orm.

use anyhow::Result;
use kernel::Clock;
use sea_orm::{EntityTrait as _, PaginatorTrait as _, Set};
use sea_orm_migration::prelude::{ColumnDef, DbErr, MigrationName, MigrationTrait, SchemaManager, Table};
use store::{Database, DatabaseConfig};
use tempfile::TempDir;

use crate::host;

mod row {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "payload")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub payload: Vec<u8>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

struct Schema;

impl MigrationName for Schema {
    fn name(&self) -> &'static str {
        "m0001_bench"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Schema {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("payload")
            .col(ColumnDef::new("position").big_integer().not_null().primary_key())
            .col(ColumnDef::new("payload").binary().not_null())
            .to_owned();
        manager.create_table(table).await
    }
}

/// A database with one table without a secondary index.
#[derive(Debug)]
pub(crate) struct Rows {
    db: Database,
    _folder: TempDir,
}

impl Rows {
    /// Opens a fresh one, set up as services set up theirs.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) async fn open() -> Result<Self> {
        let folder = tempfile::tempdir_in(host::scratch()?)?;
        let url = format!("sqlite:{}", folder.path().join("raw.db").display());
        let config = DatabaseConfig::new(url);
        let db = Database::open("bench", &config, || vec![Box::new(Schema)], &Clock::system()).await?;
        Ok(Self { db, _folder: folder })
    }

    /// Inserts payloads from a position on, in one transaction.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn insert(&self, first: u64, payloads: Vec<Vec<u8>>) -> Result<()> {
        let first: i64 = first.try_into()?;
        let rows = (first..)
            .zip(payloads)
            .map(|(position, payload)| row::ActiveModel { position: Set(position), payload: Set(payload) });
        let unit = self.db.begin().await?;
        row::Entity::insert_many(rows).exec_without_returning(unit.db()).await?;
        Ok(unit.commit().await?)
    }

    /// Number of rows.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn count(&self) -> Result<u64> {
        Ok(row::Entity::find().count(self.db.read()).await?)
    }
}
