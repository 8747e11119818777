//! The audit log's table, to which rows are added and nothing else: triggers refuse the rest, whoever asks.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// The table, its indexes, and triggers that keep its rows as they are.
#[derive(Debug)]
pub(super) struct Audit;

/// What whoever changes a row is told.
const REFUSAL: &str = "the audit log is append-only";

impl MigrationName for Audit {
    fn name(&self) -> &'static str {
        "m0003_shared_audit"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Audit {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audit = Table::create()
            .table("audit")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(ColumnDef::new("workspace").string().not_null())
            .col(ColumnDef::new("time").big_integer().not_null())
            .col(ColumnDef::new("actor").text().not_null())
            .col(ColumnDef::new("method").string().not_null())
            .col(ColumnDef::new("resource_kind").string().not_null())
            .col(ColumnDef::new("resource_id").text().not_null())
            .col(ColumnDef::new("before").text())
            .col(ColumnDef::new("after").text())
            .col(ColumnDef::new("trace_id").string().not_null())
            .to_owned();
        manager.create_table(audit).await?;
        let newest =
            Index::create().name("audit_newest").table("audit").col("workspace").col("id").to_owned();
        let resource = Index::create()
            .name("audit_resource")
            .table("audit")
            .col("workspace")
            .col("resource_kind")
            .col("resource_id")
            .col("id")
            .to_owned();
        for index in [newest, resource] {
            manager.create_index(index).await?;
        }
        let db = manager.get_connection();
        for statement in guards(db.get_database_backend()) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

/// On PostgreSQL the service's role has no such right either (`wall.rs`); this holds for the owner, too.
fn guards(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => vec![
            format!(
                "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
            ),
            "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit \
             FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
                .to_owned(),
        ],
        _ => ["UPDATE", "DELETE"]
            .map(|change| {
                format!(
                    "CREATE TRIGGER audit_refuses_{change} BEFORE {change} ON audit \
                     BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
                )
            })
            .into(),
    }
}
