//! A schema that others migrate: behind, ahead, by two at once, by the wrong role.

use super::*;

#[tokio::test]
async fn a_schema_that_is_behind_or_far_ahead_is_refused() {
    let config = fresh().await;
    let (reason, message) = refusal(&config, now).await;
    assert_eq!(reason, "SCHEMA_BEHIND");
    assert!(message.contains("guanxi migrate notes") && message.contains("m0001_notes"), "{message}");

    assert_eq!(Database::migrate("notes", &config, now).await.unwrap(), 5);
    assert_eq!(
        Database::migrate("notes", &config, now).await.unwrap(),
        0,
        "the second time there is nothing to do"
    );
    open(&config, now).await.unwrap();
    let (reason, message) = refusal(&config, next).await;
    assert!(reason == "SCHEMA_BEHIND" && message.contains("m0002_later"), "{message}");

    Database::migrate("notes", &config, next).await.unwrap();
    open(&config, now).await.expect("a process runs unchanged on a schema that is one ahead");
    assert_eq!(
        Database::migrate("notes", &config, now).await.unwrap(),
        0,
        "nor does an old version touch it"
    );

    Database::migrate("notes", &config, after_next).await.unwrap();
    assert_eq!(refusal(&config, now).await.0, "SCHEMA_AHEAD");
    open(&config, next).await.unwrap();
}

#[tokio::test]
async fn two_who_migrate_at_once_do_it_once() {
    let config = fresh().await;
    let (one, other) =
        tokio::join!(Database::migrate("notes", &config, now), Database::migrate("notes", &config, now));
    assert_eq!(one.unwrap() + other.unwrap(), 5);
}

#[tokio::test]
async fn roles_that_no_wall_holds_and_missing_owners_are_refused() {
    let (config, _db) = migrated().await;
    let admin = Postgres::shared().await.unwrap().admin();
    let schema = config.url.expose().split("search_path").nth(1).unwrap();
    let as_admin = admin.rsplit_once('/').unwrap().0;
    let free = DatabaseConfig::new(format!("{as_admin}/guanxi_test?options=-c%20search_path{schema}"));
    assert_eq!(refusal(&free, now).await.0, "DATABASE_ROLE");
    let owner = DatabaseConfig::new(config.owner_url.expose());
    let (reason, message) = refusal(&owner, now).await;
    assert_eq!(reason, "DATABASE_ROLE");
    assert!(message.contains("owns its tables"), "{message}");
    let ordered_by_language = DatabaseConfig::new(format!("{as_admin}/template1"));
    let found = open(&ordered_by_language, now).await.unwrap_err();
    assert!(["DATABASE_COLLATION", "SCHEMA_BEHIND"].contains(&found.reason), "{found}");
    let error = Database::migrate("notes", &DatabaseConfig::new(config.url.expose()), now).await.unwrap_err();
    assert!(
        error.reason == "OWNER_URL_MISSING" && error.message.contains("notes.database.owner_url"),
        "{error}"
    );
}

/// As large tables make them: longer than anybody may pause within a transaction.
struct Slow;

impl MigrationName for Slow {
    fn name(&self) -> &'static str {
        "m0002_slow"
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signature of the trait, letter by letter"
)]
#[async_trait::async_trait]
impl MigrationTrait for Slow {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("SELECT pg_sleep(11)").await.map(drop)
    }
}

#[tokio::test]
async fn a_migration_may_take_its_time() {
    let slow: Migrations = || vec![Box::new(Notes), Box::new(Slow)];
    let config = fresh().await;
    assert_eq!(Database::migrate("notes", &config, slow).await.unwrap(), 6);
    assert_eq!(Database::migrate("notes", &config, slow).await.unwrap(), 0);
}
