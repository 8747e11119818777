//! The schema.

use sea_orm_migration::prelude::*;

/// All of it, in order.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(First)]
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_journey"
    }
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().not_null().to_owned()
}

fn long(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

fn small(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().to_owned()
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

fn uuid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().to_owned()
}

fn blob(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().to_owned()
}

fn maybe_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string().null().to_owned()
}

fn maybe_number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().to_owned()
}

/// A table that begins with the workspace, which also begins its primary key.
fn table(name: &'static str, columns: Vec<ColumnDef>, key: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).col(text("workspace"));
    for mut column in columns {
        table.col(&mut column);
    }
    let mut primary = Index::create();
    primary.col("workspace");
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

fn run() -> TableCreateStatement {
    let columns = vec![
        uuid("run_id"),
        text("journey"),
        small("version"),
        uuid("customer_id"),
        uuid("record_id"),
        text("state"),
        text("stage"),
        text("node"),
        small("visit"),
        small("hops"),
        maybe_number("wakes_at"),
        maybe_number("due_at"),
        maybe_text("waits_for"),
        text("matched"),
        blob("trigger"),
        blob("held"),
        small("attempts"),
        number("revision"),
        number("entered_at"),
        maybe_number("exited_at"),
        text("reason"),
    ];
    table("run", columns, &["run_id"])
}

fn others() -> [TableCreateStatement; 7] {
    let journey = vec![
        text("key"),
        text("name"),
        text("state"),
        small("version"),
        blob("draft"),
        number("created_at"),
        number("updated_at"),
        maybe_text("backfill"),
    ];
    let step = vec![
        uuid("run_id"),
        small("visit"),
        text("journey"),
        text("node"),
        number("time"),
        text("outcome"),
        long("detail"),
    ];
    let tally = vec![text("journey"), small("version"), text("kind"), text("name"), number("count")];
    let statement = vec![
        text("attribute"),
        uuid("record_id"),
        uuid("customer_id"),
        maybe_text("value"),
        number("time"),
        small("priority"),
        text("said_by"),
    ];
    let occurrence =
        vec![text("journey"), uuid("customer_id"), uuid("record_id"), text("value"), number("due_at")];
    [
        table("journey", journey, &["key"]),
        table("definition", vec![text("journey"), small("version"), blob("body")], &["journey", "version"]),
        table("step", step, &["run_id", "visit"]),
        table("tally", tally, &["journey", "version", "kind", "name"]),
        table("statement", statement, &["attribute", "record_id"]),
        table("occurrence", occurrence, &["journey", "customer_id"]),
        table("owner", vec![uuid("record_id"), uuid("customer_id")], &["record_id"]),
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
        manager.create_table(run()).await?;
        for table in others() {
            manager.create_table(table).await?;
        }
        for index in [
            index("run_due", "run", &["due_at"]),
            index("run_of_customer", "run", &["workspace", "customer_id"]),
            index("run_of_record", "run", &["workspace", "record_id"]),
            index("run_of_journey", "run", &["workspace", "journey", "entered_at"]),
            index("statement_of_customer", "statement", &["workspace", "customer_id"]),
            index("occurrence_due", "occurrence", &["due_at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
