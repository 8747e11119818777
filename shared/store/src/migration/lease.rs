//! What several processes of one service need of each other: leases, who wrote last, the number of the last outgoing row.

use sea_orm_migration::prelude::*;

/// Leases; and two rows to lock: 1, which a unit of work holds from its beginning, says who wrote last, and 2, which it
/// holds while it commits, the number of the last outgoing row. On SQLite, where one process has the file for itself,
/// nobody uses them.
#[derive(Debug)]
pub(super) struct Leases;

impl MigrationName for Leases {
    fn name(&self) -> &'static str {
        "m0001_shared_lease"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Leases {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let lease = Table::create()
            .table("lease")
            .col(ColumnDef::new("name").string().not_null().primary_key())
            .col(ColumnDef::new("holder").string().not_null())
            .col(ColumnDef::new("fence").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null())
            .to_owned();
        let writer = Table::create()
            .table("writer")
            .col(ColumnDef::new("id").integer().not_null().primary_key())
            .col(ColumnDef::new("replica").string().not_null())
            .col(ColumnDef::new("outbox_id").big_integer().not_null())
            .to_owned();
        for table in [lease, writer] {
            manager.create_table(table).await?;
        }
        let first = Query::insert()
            .into_table("writer")
            .columns(["id", "replica", "outbox_id"])
            .values_panic([1.into(), "".into(), 0.into()])
            .values_panic([2.into(), "".into(), 0.into()])
            .to_owned();
        manager.execute(first).await
    }
}
