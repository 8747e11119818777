//! Dead letters that are to be given to the service again.

use sea_orm_migration::prelude::*;

/// A mark on each of them.
#[derive(Debug)]
pub(super) struct Redrive;

impl MigrationName for Redrive {
    fn name(&self) -> &'static str {
        "m0002_shared_redrive"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Redrive {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mark = ColumnDef::new("redrive").boolean().not_null().default(false).to_owned();
        manager.alter_table(Table::alter().table("dead_letter").add_column(mark).to_owned()).await
    }
}
