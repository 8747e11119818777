//! Versions that meet on one SQLite file: an older one takes a schema that is one migration ahead, and no more; a newer one
//! brings it up to date.

use std::path::Path;

use kernel::{Clock, Kind, Result};
use sea_orm_migration::prelude::*;
use store::{Database, DatabaseConfig, Migrations};

/// A version of the schema.
struct Version(&'static str);

impl MigrationName for Version {
    fn name(&self) -> &'static str {
        self.0
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Version {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

fn first() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Version("m0001_first"))]
}

fn second() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Version("m0001_first")), Box::new(Version("m0002_second"))]
}

fn third() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Version("m0001_first")),
        Box::new(Version("m0002_second")),
        Box::new(Version("m0003_third")),
    ]
}

/// A version of another line.
fn other() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Version("m0001_first")), Box::new(Version("m0002_other"))]
}

async fn open(folder: &Path, migrations: Migrations) -> Result<Database> {
    let config = DatabaseConfig::new(format!("sqlite:{}", folder.join("t.db").display()));
    Database::open("test", &config, migrations, &Clock::system()).await
}

#[tokio::test]
async fn a_schema_that_is_one_ahead_is_taken_and_one_that_is_further_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), second).await.unwrap();
    open(folder.path(), first).await.expect("one ahead");
    open(folder.path(), third).await.expect("behind, and brought up to date");
    open(folder.path(), second).await.expect("one ahead");
    let error = open(folder.path(), first).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Precondition, "SCHEMA_AHEAD"));
    for part in ["2 migrations ahead", "m0002_second, m0003_third", "start the version"] {
        assert!(error.message.contains(part), "{error}");
    }
    open(folder.path(), third).await.expect("the refusal changed nothing");
}

#[tokio::test]
async fn a_schema_of_another_line_of_versions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), second).await.unwrap();
    let error = open(folder.path(), other).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Precondition, "SCHEMA_AHEAD"));
    assert!(error.message.contains("m0002_other") && error.message.contains("m0002_second"), "{error}");
}

#[tokio::test]
async fn a_closed_file_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path(), first).await.unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files() > 1, "no log is written beside it");
    db.close().await;
    assert_eq!(files(), 1);
}
