//! What PostgreSQL really says, provoked where that is simple, and what becomes of it.

use std::time::Duration;

use kernel::{Kind, Result};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, TransactionTrait as _};
use testkit::postgres::Postgres;

use super::{StoreResult as _, db_error};
use crate::connect::Server;

const PATIENCE: Duration = Duration::from_secs(30);

/// A schema of the test's own, as its owner; a statement may take so long there.
async fn schema(name: &str, timeout: Duration) -> DatabaseConnection {
    let name = format!("error_{name}_{}", std::process::id());
    let urls = Postgres::shared().await.unwrap().schemas(&name, &["error"]).await.unwrap();
    let url = urls.owner_url.replace("{service}", "error");
    Server { url: &url, service: "error", timeout, patience: PATIENCE }.connect(2, None).await.unwrap()
}

/// The same with two rows.
async fn accounts(name: &str) -> DatabaseConnection {
    let db = schema(name, PATIENCE).await;
    db.execute_unprepared("CREATE TABLE account AS SELECT generate_series(1, 2) AS id, 0 AS sum")
        .await
        .unwrap();
    db
}

fn add(id: u32) -> String {
    format!("UPDATE account SET sum = sum + 1 WHERE id = {id}")
}

/// The server's own words were these, and another try may help.
fn passes<T: std::fmt::Debug>(outcome: Result<T, DbErr>, words: &str) {
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    let error = db_error(error);
    assert_eq!((error.kind, error.reason), (Kind::Unavailable, "DATABASE_BUSY"), "{words}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_passes() {
    let db = schema("slow", Duration::from_millis(100)).await;
    passes(db.execute_unprepared("SELECT pg_sleep(60)").await, "statement timeout");
}

#[tokio::test]
async fn a_deadlock_passes() {
    let db = accounts("deadlock").await;
    let (one, other) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    one.execute_unprepared(&add(1)).await.unwrap();
    other.execute_unprepared(&add(2)).await.unwrap();
    let (second, first) = (add(2), add(1));
    let (one, other) = tokio::join!(one.execute_unprepared(&second), other.execute_unprepared(&first));
    // The server ends one of them, so that the other can go on.
    passes(one.and(other), "deadlock detected");
}

#[tokio::test]
async fn transactions_that_cannot_be_serialized_pass() {
    let db = accounts("serialize").await;
    let late = db.begin().await.unwrap();
    late.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    late.execute_unprepared("SELECT * FROM account").await.unwrap();
    db.execute_unprepared(&add(1)).await.unwrap();
    passes(late.execute_unprepared(&add(1)).await, "could not serialize access");
}

/// Of the same class as a full disk, which would need one.
#[tokio::test]
async fn too_little_space_passes() {
    let admin = Postgres::shared().await.unwrap().admin();
    let server = Server { url: admin, service: "error", timeout: PATIENCE, patience: PATIENCE };
    let db = server.connect(1, None).await.unwrap();
    db.execute_unprepared("SET work_mem = '64kB'; SET temp_file_limit = '64kB'").await.unwrap();
    let sorted = "SELECT count(*) FROM (SELECT n FROM generate_series(1, 100000) n ORDER BY random()) sorted";
    passes(db.execute_unprepared(sorted).await, "temp_file_limit");
}

/// Whatever says that the server or its disk is unwell passes; what says that we are wrong does not.
#[tokio::test]
async fn the_servers_trouble_is_told_from_ours() {
    let db = schema("classes", PATIENCE).await;
    let raise = async |code: &str| {
        let text = format!("DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{code}'; END $$");
        db.execute_unprepared(&text).await.db().unwrap_err()
    };
    for (code, reason) in [
        ("53100", "DATABASE_FULL"),
        ("53200", "DATABASE_BUSY"),
        ("57P03", "DATABASE_BUSY"),
        ("58000", "DATABASE_FAILING"),
        ("58030", "DATABASE_FAILING"),
        ("58P01", "DATABASE_FAILING"),
        ("XX001", "DATABASE_FAILING"),
        ("XX002", "DATABASE_FAILING"),
    ] {
        let error = raise(code).await;
        assert_eq!((error.kind, error.reason), (Kind::Unavailable, reason), "{code}");
    }
    for code in ["XX000", "22012", "23514", "42501", "42P01", "P0001"] {
        let error = raise(code).await;
        assert_eq!((error.kind, error.reason), (Kind::Internal, "INTERNAL"), "{code}");
    }
}

/// A former primary, to which connections still lead.
#[tokio::test]
async fn a_standby_is_told_from_a_refusal() {
    let db = accounts("standby").await;
    let standby = db.begin().await.unwrap();
    standby.execute_unprepared("SET TRANSACTION READ ONLY").await.unwrap();
    let error = standby.execute_unprepared(&add(1)).await.db().unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Unavailable, "DATABASE_READ_ONLY"));
}

/// The file may not grow: what a full disk makes of it.
#[tokio::test]
async fn a_full_file_is_said_to_be_full() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("full.db").display());
    let db = crate::connect::sqlite(&url, 1, false).await.unwrap();
    db.execute_unprepared("CREATE TABLE note (text); PRAGMA max_page_count = 3").await.unwrap();
    let error = db.execute_unprepared("INSERT INTO note VALUES (zeroblob(100000))").await.db().unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Unavailable, "DATABASE_FULL"));
    assert!(error.message.contains("make room"), "{error}");
}
