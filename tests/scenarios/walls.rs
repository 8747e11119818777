//! The second wall between tenants, over all services: on PostgreSQL every table is behind row-level security, but for a
//! few that hold nothing of anybody's.

use std::collections::BTreeSet;

use anyhow::Result;
use kernel::Clock;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use testkit::Stack;
use tests::cluster::SERVICES;

/// Tables without a wall, with the reason.
const OPEN: [(&str, &str); 6] = [
    ("lease", "who does which work: names of processes, partitions and jobs"),
    ("log_position", "how far the log was read: numbers, and names of those who write to it"),
    ("seaql_migrations", "which migrations there were; services need it before they work for anybody"),
    (
        "seen_block",
        "hashes of the ids that ingest took, of all workspaces in one block; no id can be read from them",
    ),
    ("seen_position", "how far the log was read for them: numbers"),
    ("writer", "rows that every unit of work locks: a name of a process and a number"),
];

/// Tables at which anything is lacking.
const UNWALLED: &str = "
    SELECT c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT (
        c.relrowsecurity AND c.relforcerowsecurity
        AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid)
    )";
const TABLES: &str = "
    SELECT c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')";

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_every_service_is_behind_a_wall() -> Result<()> {
    let services = tests::assembly::all(Stack::engines().settings(&SERVICES).await?);
    services.migrate().await?;
    let (mut tables, mut open) = (0, BTreeSet::new());
    for (service, db) in services.databases(&Clock::system()).await? {
        let names = async |query: &str| -> Result<Vec<String>> {
            let rows = db.read().query_all_raw(Statement::from_string(DbBackend::Postgres, query)).await?;
            Ok(rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?)
        };
        tables += names(TABLES).await?.len();
        for table in names(UNWALLED).await? {
            let reason = OPEN.iter().find(|(name, _)| *name == table);
            assert!(reason.is_some(), "every workspace can read and change `{table}` of {service}");
            open.insert(table);
        }
    }
    assert!(tables > 70, "only {tables} tables");
    let walled: Vec<_> = OPEN.iter().filter(|(name, _)| !open.contains(*name)).collect();
    assert!(walled.is_empty(), "these have a wall by now: {walled:?}");
    Ok(())
}
