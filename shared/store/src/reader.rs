//! Reading outside a unit of work.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    Statement, TransactionTrait as _,
};

use crate::tenant::Tenant;

/// Sees what has been committed; on PostgreSQL only what belongs to the [`Tenant`] it is used for, which is why every
/// query is a transaction of its own there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: DatabaseConnection,
}

impl Reader {
    pub(crate) fn new(pool: DatabaseConnection) -> Self {
        Self { pool }
    }

    /// The connections themselves.
    pub(crate) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    fn walled(&self) -> bool {
        self.get_database_backend() == DbBackend::Postgres
    }

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let txn = self.pool.begin().await?;
        txn.query_one_raw(set_tenant(Tenant::current().as_ref())).await?;
        Ok(txn)
    }
}

/// Says to PostgreSQL for whom the rest of the transaction is.
pub(crate) fn set_tenant(tenant: Option<&Tenant>) -> Statement {
    const TEXT: &str =
        "SELECT set_config('guanxi.workspace', $1, true), set_config('guanxi.platform', $2, true)";
    let (workspace, platform) = Tenant::settings(tenant);
    Statement::from_sql_and_values(DbBackend::Postgres, TEXT, [workspace.into(), platform.into()])
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(read_only())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(read_only())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if !self.walled() {
            return self.pool.query_one_raw(statement).await;
        }
        let txn = self.begin().await?;
        let found = txn.query_one_raw(statement).await?;
        txn.commit().await?;
        Ok(found)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if !self.walled() {
            return self.pool.query_all_raw(statement).await;
        }
        let txn = self.begin().await?;
        let found = txn.query_all_raw(statement).await?;
        txn.commit().await?;
        Ok(found)
    }
}

fn read_only() -> DbErr {
    DbErr::Custom("only a unit of work writes".to_owned())
}
