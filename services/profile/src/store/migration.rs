//! The schema.

use sea_orm_migration::prelude::*;

/// All of it, in order.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(First)]
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_profile"
    }
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().not_null().to_owned()
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn uuid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().to_owned()
}

fn table(name: &'static str, columns: Vec<ColumnDef>, key: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for mut column in columns {
        table.col(&mut column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary).to_owned()
}

fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

fn tables() -> [TableCreateStatement; 5] {
    let long = |name: &'static str| ColumnDef::new(name).text().not_null().to_owned();
    let blob = |name: &'static str| ColumnDef::new(name).blob().not_null().to_owned();
    let flag = |name: &'static str| ColumnDef::new(name).boolean().not_null().to_owned();
    let maybe = |name: &'static str| ColumnDef::new(name).big_integer().null().to_owned();
    [
        table(
            "record",
            vec![
                text("workspace"),
                uuid("record_id"),
                uuid("customer_id"),
                number("owned_since"),
                long("attributes"),
                number("first_seen"),
                number("last_seen"),
                number("version"),
            ],
            &["workspace", "record_id"],
        ),
        table(
            "timeline",
            vec![
                text("workspace"),
                uuid("record_id"),
                number("time"),
                number("arrival"),
                text("name"),
                blob("event"),
            ],
            &["workspace", "record_id", "time", "arrival"],
        ),
        table(
            "tag",
            vec![
                text("workspace"),
                text("key"),
                text("name"),
                text("family"),
                flag("exclusive"),
                number("ttl"),
                text("owner"),
                long("condition"),
                text("state"),
                flag("sweeping"),
                number("created_at"),
                number("updated_at"),
            ],
            &["workspace", "key"],
        ),
        table(
            "assignment",
            vec![
                text("workspace"),
                uuid("record_id"),
                text("tag"),
                text("source"),
                number("assigned_at"),
                maybe("expires_at"),
                long("reason"),
                text("cause"),
            ],
            &["workspace", "record_id", "tag"],
        ),
        table(
            "answer",
            vec![text("workspace"), text("key"), blob("request"), blob("response"), number("created_at")],
            &["workspace", "key"],
        ),
    ]
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
        for index in [
            index("record_customer", "record", &["workspace", "customer_id"]),
            index("record_last_seen", "record", &["workspace", "last_seen", "record_id"]),
            index("assignment_tag", "assignment", &["workspace", "tag"]),
            index("assignment_expiry", "assignment", &["expires_at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
