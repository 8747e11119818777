//! Reading outside a unit of work.

use std::time::Duration;

use kernel::{Error, Result};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    Statement, TransactionTrait as _,
};

use crate::error::{StoreResult as _, in_time};
use crate::rows::Few;
use crate::tenant::Tenant;

/// Sees what has been committed; on PostgreSQL only what belongs to the [`Tenant`] it is used for, which is why a query
/// for a workspace is a transaction of its own there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: DatabaseConnection,
    beside: Beside,
    /// Longest wait for the answer to one query.
    patience: Duration,
}

/// What there is beside the pool.
#[derive(Clone, Debug)]
enum Beside {
    /// A SQLite file read on the calling thread.
    File(Few),
    /// Connections to PostgreSQL of which all queries are the platform's.
    Platform(DatabaseConnection),
}

impl Reader {
    pub(crate) fn of_file(pool: DatabaseConnection, few: Few, patience: Duration) -> Self {
        Self { pool, beside: Beside::File(few), patience }
    }

    pub(crate) fn of_server(
        pool: DatabaseConnection,
        platform: DatabaseConnection,
        patience: Duration,
    ) -> Self {
        Self { pool, beside: Beside::Platform(platform), patience }
    }

    pub(crate) fn few(&self) -> Option<&Few> {
        match &self.beside {
            Beside::File(few) => Some(few),
            Beside::Platform(_) => None,
        }
    }

    fn platform(&self) -> Option<&DatabaseConnection> {
        match &self.beside {
            Beside::File(_) => None,
            Beside::Platform(platform) => Some(platform),
        }
    }

    /// Refuses connections that are on nobody's behalf although they were opened for the platform: they would find nothing,
    /// and nobody would hear of it.
    pub(crate) async fn check(&self) -> Result<()> {
        let Some(platform) = self.platform() else { return Ok(()) };
        let text = "SELECT coalesce(current_setting('guanxi.platform', true), '') AS platform";
        let row = platform.query_one_raw(Statement::from_string(DbBackend::Postgres, text)).await.db()?;
        let said: String = row.map(|row| row.try_get("", "platform")).transpose().db()?.unwrap_or_default();
        if said == "on" {
            return Ok(());
        }
        let message = "what stands between this process and PostgreSQL drops the `options` of connections (a pooler?); \
                       let it pass them on, or connect to the server itself";
        Err(Error::precondition("CONNECTION_OPTIONS_LOST", message))
    }

    /// The connections themselves, with the names of their pools.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (&'static str, &DatabaseConnection)> {
        let platform = self.platform().map(|pool| ("platform", pool));
        std::iter::once(("read", &self.pool)).chain(platform)
    }

    /// Where a query can be asked as it is, if it can.
    fn plain(&self, tenant: Option<&Tenant>) -> Option<&DatabaseConnection> {
        match (self.platform(), tenant) {
            (None, _) => Some(&self.pool),
            (Some(platform), Some(Tenant::Platform)) => Some(platform),
            (Some(_), _) => None,
        }
    }

    async fn begin(&self, tenant: Option<&Tenant>) -> Result<DatabaseTransaction, DbErr> {
        let txn = self.pool.begin().await?;
        txn.query_one_raw(set_tenant(tenant)).await?;
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
        let tenant = Tenant::current();
        let answer = async {
            if let Some(pool) = self.plain(tenant.as_ref()) {
                return pool.query_one_raw(statement).await;
            }
            let txn = self.begin(tenant.as_ref()).await?;
            let found = txn.query_one_raw(statement).await?;
            txn.commit().await?;
            Ok(found)
        };
        in_time(self.patience, answer).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let tenant = Tenant::current();
        let answer = async {
            if let Some(pool) = self.plain(tenant.as_ref()) {
                return pool.query_all_raw(statement).await;
            }
            let txn = self.begin(tenant.as_ref()).await?;
            let found = txn.query_all_raw(statement).await?;
            txn.commit().await?;
            Ok(found)
        };
        in_time(self.patience, answer).await
    }
}

fn read_only() -> DbErr {
    DbErr::Custom("only a unit of work writes".to_owned())
}

#[cfg(test)]
mod tests {
    use testkit::postgres::Postgres;

    use super::*;
    use crate::connect::Server;

    #[tokio::test]
    async fn connections_that_lost_their_options_are_refused() {
        let urls = Postgres::shared().await.unwrap().schemas("reader", &[]).await.unwrap();
        let patience = Duration::from_secs(30);
        let server = Server { url: &urls.url, service: "test", timeout: patience, patience };
        let nobodys = server.connect(1, None).await.unwrap();
        let platforms = server.connect(1, Some(Tenant::Platform)).await.unwrap();
        Reader::of_server(nobodys.clone(), platforms, patience).check().await.unwrap();
        let error = Reader::of_server(nobodys.clone(), nobodys, patience).check().await.unwrap_err();
        assert_eq!(error.reason, "CONNECTION_OPTIONS_LOST");
    }
}
