//! The schema.

use sea_orm_migration::prelude::*;

use super::messages::SENDING;

/// Every migration, oldest first.
pub(crate) fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Tables)]
}

/// Channels, templates, messages, reply windows.
#[derive(Debug)]
struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m0001_tables"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Tables {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [channel(), template(), reply_window(), message()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn channel() -> TableCreateStatement {
    Table::create()
        .table("channel")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(ColumnDef::new("key").string().not_null())
        .col(ColumnDef::new("name").string().not_null())
        .col(ColumnDef::new("kind").string().not_null())
        .col(ColumnDef::new("settings").text().not_null())
        .col(ColumnDef::new("secrets").text().not_null())
        .col(ColumnDef::new("rate").string().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .primary_key(Index::create().col("workspace").col("key"))
        .to_owned()
}

fn template() -> TableCreateStatement {
    Table::create()
        .table("template")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(ColumnDef::new("key").string().not_null())
        .col(ColumnDef::new("name").string().not_null())
        .col(ColumnDef::new("variants").text().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .primary_key(Index::create().col("workspace").col("key"))
        .to_owned()
}

fn reply_window() -> TableCreateStatement {
    Table::create()
        .table("reply_window")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(ColumnDef::new("app_id").string().not_null())
        .col(ColumnDef::new("openid").string().not_null())
        .col(ColumnDef::new("trigger").string().not_null())
        .col(ColumnDef::new("opened_at").big_integer().not_null())
        .col(ColumnDef::new("used").integer().not_null())
        .primary_key(Index::create().col("workspace").col("app_id").col("openid").col("trigger"))
        .to_owned()
}

fn message() -> TableCreateStatement {
    Table::create()
        .table("message")
        .col(ColumnDef::new("workspace").string().not_null())
        .col(ColumnDef::new("id").uuid().not_null())
        .col(ColumnDef::new("idempotency_key").string().not_null())
        .col(ColumnDef::new("digest").blob().not_null())
        .col(ColumnDef::new("customer_id").uuid().not_null())
        .col(ColumnDef::new("record_id").uuid().not_null())
        .col(ColumnDef::new("template").string().not_null())
        .col(ColumnDef::new("purpose").string().not_null())
        .col(ColumnDef::new("request").text().not_null())
        .col(ColumnDef::new("cause_id").string().not_null())
        .col(ColumnDef::new("cause_depth").integer().not_null())
        .col(ColumnDef::new("trace_parent").string().not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("channels").text().not_null())
        .col(ColumnDef::new("channel").string().not_null())
        .col(ColumnDef::new("state").string().not_null())
        .col(ColumnDef::new("reason").string().not_null())
        .col(ColumnDef::new("provider_id").string().not_null())
        .col(ColumnDef::new("tries").integer().not_null())
        .col(ColumnDef::new("attempts").text().not_null())
        .col(ColumnDef::new("content").text())
        .col(ColumnDef::new("sent_at").big_integer())
        .col(ColumnDef::new("due_at").big_integer())
        .primary_key(Index::create().col("workspace").col("id"))
        .to_owned()
}

/// One message per idempotency key; what is due per channel; what a customer got.
fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str, columns: &[&'static str]| {
        let mut index = Index::create().name(name).table("message").to_owned();
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        index("message_idempotency_key", &["workspace", "idempotency_key"]).unique().to_owned(),
        // Few messages wait, or are being handed over, at a time.
        index("message_due", &["workspace", "channel", "due_at"])
            .and_where(Expr::col("due_at").is_not_null())
            .to_owned(),
        index("message_sending", &["id"]).and_where(Expr::cust(SENDING)).to_owned(),
        index("message_record", &["workspace", "record_id", "id"]),
    ]
}
