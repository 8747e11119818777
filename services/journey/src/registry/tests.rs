//! A change by another process is seen, whatever its clock says.

use kernel::{Clock, Secret, Time, Workspace};
use store::{Database, DatabaseConfig, Tenant};
use testkit::postgres::Postgres;

use super::*;

const KEY: &str = "生日祝福";

async fn database() -> Database {
    let name = format!("registry_{}", std::process::id());
    let urls = Postgres::shared().await.unwrap().schemas(&name, &["journey"]).await.unwrap();
    let own = |url: &str| url.replace("{service}", "journey");
    let config = DatabaseConfig {
        owner_url: Secret::new(own(&urls.owner_url)),
        ..DatabaseConfig::new(own(&urls.url))
    };
    Database::migrate("journey", &config, crate::store::migration::all).await.unwrap();
    Database::open("journey", &config, crate::store::migration::all, &Clock::system()).await.unwrap()
}

fn journey(key: &str, updated_at: i64) -> journeys::Journey {
    journeys::Journey {
        workspace: "demo".to_owned(),
        key: key.to_owned(),
        name: key.to_owned(),
        state: journeys::LIVE.to_owned(),
        version: 1,
        draft: Vec::new(),
        created_at: 0,
        updated_at,
        backfill: None,
    }
}

#[tokio::test]
async fn a_change_by_a_process_whose_clock_is_behind_is_seen() {
    let db = database().await;
    let (workspace, registry) = (Workspace::new("demo"), Registry::default());
    let state = async || {
        let index = registry.index(db.read(), &workspace).await.unwrap();
        index.journey(KEY).map(|known| known.state.clone())
    };
    let work = async {
        let unit = db.begin().await.unwrap();
        for row in [journey(KEY, 500), journey("欢迎", 1_000)] {
            journeys::insert(unit.db(), row).await.unwrap();
        }
        unit.commit().await.unwrap();
        assert_eq!(state().await.as_deref(), Some(journeys::LIVE));
        // Another process: this registry is not told. First its clock goes back, then it stands still.
        for (now, changed) in [(400, journeys::PAUSED), (400, journeys::LIVE), (501, journeys::ARCHIVED)] {
            let unit = db.begin().await.unwrap();
            let mut row = journeys::find(unit.db(), &workspace, KEY).await.unwrap();
            row.touch(Time(now));
            changed.clone_into(&mut row.state);
            journeys::update(unit.db(), row).await.unwrap();
            unit.commit().await.unwrap();
            assert_eq!(state().await.as_deref(), Some(changed), "at {now}");
        }
    };
    Tenant::Platform.scope(work).await;
}
