//! The schema.

use sea_orm_migration::prelude::*;

/// All of it, in order.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(First)]
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_ingest"
    }
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().not_null().to_owned()
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn blob(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().to_owned()
}

fn source() -> TableCreateStatement {
    Table::create()
        .table("source")
        .col(text("workspace"))
        .col(text("key"))
        .col(text("name"))
        .col(text("kind"))
        .col(ColumnDef::new("settings").text().not_null())
        .col(blob("write_key_hash"))
        .col(ColumnDef::new("disabled").boolean().not_null())
        .col(ColumnDef::new("priority").integer().not_null())
        .col(number("created_at"))
        .col(number("updated_at"))
        .primary_key(Index::create().col("workspace").col("key"))
        .to_owned()
}

fn failed_event() -> TableCreateStatement {
    Table::create()
        .table("failed_event")
        .col(text("workspace"))
        .col(ColumnDef::new("id").uuid().not_null())
        .col(text("source_key"))
        .col(text("reason"))
        .col(ColumnDef::new("message").text().not_null())
        .col(number("failed_at"))
        .col(text("form"))
        .col(blob("payload"))
        .col(blob("event"))
        .primary_key(Index::create().col("workspace").col("id"))
        .to_owned()
}

fn seen_block() -> TableCreateStatement {
    Table::create()
        .table("seen_block")
        .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new("day").integer().not_null())
        .col(blob("keys"))
        .to_owned()
}

fn seen_position() -> TableCreateStatement {
    Table::create()
        .table("seen_position")
        .col(ColumnDef::new("partition").integer().not_null().primary_key())
        .col(number("position"))
        .col(number("sequence"))
        .to_owned()
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for First {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [source(), failed_event(), seen_block(), seen_position()] {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
