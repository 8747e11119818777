//! The tables that every service has.

use sea_orm_migration::prelude::*;

/// Outbox, log positions and dead letters.
#[derive(Debug)]
pub(super) struct Shared;

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
