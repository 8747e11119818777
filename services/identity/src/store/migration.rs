//! The schema.

use sea_orm_migration::prelude::*;

/// Everything this service keeps.
#[derive(Debug)]
pub(crate) struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m0001_identity"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Initial {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn tables() -> Vec<TableCreateStatement> {
    vec![
        Table::create()
            .table("record")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("namespace").string().not_null())
            .col(ColumnDef::new("value").string().not_null())
            .col(ColumnDef::new("record_id").uuid().not_null())
            .col(ColumnDef::new("customer_id").uuid().not_null())
            .col(ColumnDef::new("founder").boolean().not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .primary_key(Index::create().col("workspace").col("namespace").col("value"))
            .to_owned(),
        Table::create()
            .table("link")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("a").uuid().not_null())
            .col(ColumnDef::new("b").uuid().not_null())
            .col(ColumnDef::new("rule").string().not_null())
            .col(ColumnDef::new("time").big_integer().not_null())
            .col(ColumnDef::new("cause").string().not_null())
            .col(ColumnDef::new("actor").string().not_null())
            .col(ColumnDef::new("verdict").string().not_null())
            .primary_key(Index::create().col("workspace").col("a").col("b").col("rule"))
            .to_owned(),
        Table::create()
            .table("merge")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("merge_id").uuid().not_null())
            .col(ColumnDef::new("survivor").uuid().not_null())
            .col(ColumnDef::new("merged").text().not_null())
            .col(ColumnDef::new("cause").string().not_null())
            .col(ColumnDef::new("rule").string().not_null())
            .col(ColumnDef::new("actor").string().not_null())
            .col(ColumnDef::new("time").big_integer().not_null())
            .col(ColumnDef::new("reason").text().not_null())
            .col(ColumnDef::new("undone").boolean().not_null())
            .col(ColumnDef::new("links").text().not_null())
            .primary_key(Index::create().col("workspace").col("merge_id"))
            .to_owned(),
        Table::create()
            .table("merge_side")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("customer_id").uuid().not_null())
            .col(ColumnDef::new("merge_id").uuid().not_null())
            .primary_key(Index::create().col("workspace").col("customer_id").col("merge_id"))
            .to_owned(),
        Table::create()
            .table("separation")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("a").uuid().not_null())
            .col(ColumnDef::new("b").uuid().not_null())
            .col(ColumnDef::new("merge_id").uuid().not_null())
            .col(ColumnDef::new("actor").string().not_null())
            .col(ColumnDef::new("time").big_integer().not_null())
            .col(ColumnDef::new("lifted").big_integer())
            .primary_key(Index::create().col("workspace").col("a").col("b").col("merge_id"))
            .to_owned(),
        Table::create()
            .table("conflict")
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("conflict_id").uuid().not_null())
            .col(ColumnDef::new("subject").string().not_null())
            .col(ColumnDef::new("reason").string().not_null())
            .col(ColumnDef::new("identifiers").text().not_null())
            .col(ColumnDef::new("customers").text().not_null())
            .col(ColumnDef::new("cause").string().not_null())
            .col(ColumnDef::new("time").big_integer().not_null())
            .col(ColumnDef::new("message").text().not_null())
            .primary_key(Index::create().col("workspace").col("conflict_id"))
            .to_owned(),
    ]
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create().name(name).table(table).to_owned();
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        index("record_by_id", "record", &["workspace", "record_id"]).unique().to_owned(),
        index("record_by_customer", "record", &["workspace", "customer_id"]),
        index("link_by_b", "link", &["workspace", "b"]),
        index("conflict_by_subject", "conflict", &["workspace", "subject"]).unique().to_owned(),
    ]
}
