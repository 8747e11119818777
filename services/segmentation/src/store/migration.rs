//! The schema.

use sea_orm_migration::prelude::*;

/// All tables.
#[derive(Debug)]
pub(crate) struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m0001_tables"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Tables {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in definitions().into_iter().chain(people()).chain(history()) {
            manager.create_table(table).await?;
        }
        let due = Index::create().name("customer_state_due").table("customer_state").col("due_at").to_owned();
        manager.create_index(due).await
    }
}

/// What is defined.
fn definitions() -> Vec<TableCreateStatement> {
    vec![
        Table::create()
            .table("engine")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("version").big_integer().not_null())
            .col(ColumnDef::new("next_id").big_integer().not_null())
            .primary_key(Index::create().col("workspace"))
            .to_owned(),
        Table::create()
            .table("coverage")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("series").text().not_null())
            .primary_key(Index::create().col("workspace"))
            .to_owned(),
        Table::create()
            .table("definition")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("space").string().not_null())
            .col(ColumnDef::new("key").string().not_null())
            .col(ColumnDef::new("kind").string().not_null())
            .col(ColumnDef::new("name").string().not_null())
            .col(ColumnDef::new("latest").text().not_null())
            .col(ColumnDef::new("active").text().not_null())
            .col(ColumnDef::new("phase").string().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("updated_at").big_integer().not_null())
            .primary_key(Index::create().col("workspace").col("space").col("key"))
            .to_owned(),
        Table::create()
            .table("size")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("part").big_integer().not_null())
            .col(ColumnDef::new("customers").big_integer().not_null())
            .primary_key(Index::create().col("workspace").col("part"))
            .to_owned(),
        Table::create()
            .table("removal")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("part").big_integer().not_null())
            .col(ColumnDef::new("key").string().not_null())
            .col(ColumnDef::new("name").string().not_null())
            .col(ColumnDef::new("kind").string().not_null())
            .primary_key(Index::create().col("workspace").col("part"))
            .to_owned(),
    ]
}

/// What is known of people.
fn people() -> Vec<TableCreateStatement> {
    vec![
        Table::create()
            .table("record_state")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("record_id").uuid().not_null())
            .col(ColumnDef::new("customer_id").uuid().not_null())
            .col(ColumnDef::new("facts").text().not_null())
            .col(ColumnDef::new("state").blob().not_null())
            .primary_key(Index::create().col("workspace").col("record_id"))
            .to_owned(),
        Table::create()
            .table("customer_state")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("customer_id").uuid().not_null())
            .col(ColumnDef::new("records").blob().not_null())
            .col(ColumnDef::new("memberships").blob().not_null())
            .col(ColumnDef::new("due_at").big_integer().not_null())
            .primary_key(Index::create().col("workspace").col("customer_id"))
            .to_owned(),
        Table::create()
            .table("membership")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("part").big_integer().not_null())
            .col(ColumnDef::new("customer_id").uuid().not_null())
            .col(ColumnDef::new("since").big_integer().not_null())
            .primary_key(Index::create().col("workspace").col("part").col("customer_id"))
            .to_owned(),
        Table::create()
            .table("alias")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("absorbed").uuid().not_null())
            .col(ColumnDef::new("survivor").uuid().not_null())
            .primary_key(Index::create().col("workspace").col("absorbed"))
            .to_owned(),
        Table::create()
            .table("applied_merge")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("name").string().not_null())
            .col(ColumnDef::new("merge").string().not_null())
            .primary_key(Index::create().col("workspace").col("name").col("merge"))
            .to_owned(),
    ]
}

/// Reading history.
fn history() -> Vec<TableCreateStatement> {
    vec![
        Table::create()
            .table("filling")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("run").big_integer().not_null())
            .col(ColumnDef::new("merging").boolean().not_null())
            .col(ColumnDef::new("series").text().not_null())
            .col(ColumnDef::new("positions").text().not_null())
            .col(ColumnDef::new("merged_to").uuid().null())
            .primary_key(Index::create().col("workspace"))
            .to_owned(),
        Table::create()
            .table("history")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("record_id").uuid().not_null())
            .col(ColumnDef::new("past").blob().not_null())
            .col(ColumnDef::new("fresh").blob().not_null())
            .primary_key(Index::create().col("workspace").col("record_id"))
            .to_owned(),
    ]
}
