//! The schema.

use sea_orm_migration::prelude::*;

/// All of it, in order.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(First)]
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_analytics"
    }
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn tables() -> [TableCreateStatement; 2] {
    let segment = Table::create()
        .table("segment")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(ColumnDef::new("file").string().not_null())
        .col(number("rows"))
        .col(number("first_time"))
        .col(number("last_time"))
        .primary_key(Index::create().col("workspace").col("file"))
        .to_owned();
    let record = Table::create()
        .table("record")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(number("number"))
        .col(ColumnDef::new("record_id").uuid().not_null())
        .col(ColumnDef::new("customer_id").uuid().not_null())
        .col(number("moved_at"))
        .primary_key(Index::create().col("workspace").col("number"))
        .to_owned();
    [segment, record]
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
        for table in tables() {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
