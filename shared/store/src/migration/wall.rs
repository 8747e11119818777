//! The second wall between tenants, on PostgreSQL: row-level security on every table with a `workspace`, and on the
//! outbox, whose rows bear theirs inside.
//!
//! The first wall is that every statement names the workspace. This one holds where somebody forgot: a role that owns
//! nothing sees and writes, in each transaction, the rows of the workspace that the transaction is for (`crate::tenant`).
//! `FORCE` makes it hold for the tables' owner too.

use kernel::{Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::StoreResult as _;

/// The transaction is the platform's own. As sub-selects settings are read once a statement, not once a row.
const PLATFORM: &str = "(SELECT current_setting('guanxi.platform', true)) = 'on'";
/// The row is of the transaction's workspace.
const WORKSPACE: &str = "workspace = (SELECT current_setting('guanxi.workspace', true))";

/// Puts every table of tenants behind the wall, and lets `role` use all tables.
pub(super) async fn build(db: &impl ConnectionTrait, role: &str) -> Result<()> {
    let own = format!("{PLATFORM} OR {WORKSPACE}");
    let own = format!("USING ({own}) WITH CHECK ({own})");
    for table in tables_of_tenants(db).await? {
        put_behind(db, &table, &[("tenant", &own)]).await?;
    }
    // Every unit of work adds to what goes out; the platform alone, as which the relay works, reads and removes it.
    let platforms = format!("USING ({PLATFORM}) WITH CHECK ({PLATFORM})");
    put_behind(db, "outbox", &[("platform", &platforms), ("adding", "FOR INSERT WITH CHECK (true)")]).await?;
    let (schema, role) = (quoted(&text(db, "SELECT current_schema()::text AS found").await?), quoted(role));
    for statement in [
        format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
        // Rows are added to the audit log, and that is all.
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM {role}"),
        format!("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"),
    ] {
        db.execute_unprepared(&statement).await.db()?;
    }
    Ok(())
}

/// One text is one transaction: nobody who works meanwhile finds the table without its policies, and thereby empty.
async fn put_behind(db: &impl ConnectionTrait, table: &str, policies: &[(&str, &str)]) -> Result<()> {
    let table = quoted(table);
    let mut statements = vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
    ];
    for (name, rule) in policies {
        statements.push(format!("DROP POLICY IF EXISTS {name} ON {table}"));
        statements.push(format!("CREATE POLICY {name} ON {table} {rule}"));
    }
    db.execute_unprepared(&statements.join("; ")).await.db()?;
    Ok(())
}

/// Keys are compared and ordered by their bytes, here as in SQLite and in memory.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for another encoding or collation.
pub(super) async fn check_database(db: &impl ConnectionTrait) -> Result<()> {
    let query = "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate AS found \
                 FROM pg_database WHERE datname = current_database()";
    let found = text(db, query).await?;
    if matches!(found.as_str(), "UTF8 C" | "UTF8 POSIX" | "UTF8 C.UTF-8" | "UTF8 C.utf8") {
        return Ok(());
    }
    let message = format!(
        "the database has the encoding and collation `{found}`, and keys must be ordered by their bytes; make it with \
         CREATE DATABASE … ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0"
    );
    Err(Error::precondition("DATABASE_COLLATION", message))
}

/// # Errors
/// [`kernel::Kind::Precondition`] for a role that no wall holds.
pub(super) async fn check_role(db: &impl ConnectionTrait, service: &str) -> Result<()> {
    // Who may act as the owner can take the wall down, and change what stands in the audit log.
    let query = "SELECT CASE WHEN rolsuper OR rolbypassrls THEN 'is not held by row-level security (SUPERUSER or BYPASSRLS)' \
                 WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                 AND relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'MEMBER')) \
                 THEN 'owns its tables, or may act as the role that does' ELSE 'held' END AS found \
                 FROM pg_roles WHERE rolname = current_user";
    let found = text(db, query).await?;
    if found == "held" {
        return Ok(());
    }
    let message = format!(
        "{service}.database.url names a role that {found}; give the service a role of its own, which owns nothing, as \
         deploy/postgres/databases.sql does"
    );
    Err(Error::precondition("DATABASE_ROLE", message))
}

async fn tables_of_tenants(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let query = "SELECT c.table_name::text AS found FROM information_schema.columns c \
                 JOIN information_schema.tables t USING (table_schema, table_name) \
                 WHERE c.table_schema = current_schema() AND c.column_name = 'workspace' \
                 AND t.table_type = 'BASE TABLE' ORDER BY 1";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, query)).await.db()?;
    rows.iter().map(|row| row.try_get("", "found").db()).collect()
}

async fn text(db: &impl ConnectionTrait, query: &str) -> Result<String> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await.db()?;
    let row = row.ok_or_else(|| Error::internal("PostgreSQL does not say how it is set up"))?;
    row.try_get("", "found").db()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
