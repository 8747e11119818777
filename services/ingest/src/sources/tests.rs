//! Memory and database agree, wherever a call that changes them is cut off.

use std::time::Instant;

use kernel::{Clock, Secret};
use store::{DatabaseConfig, Tenant};
use testkit::polled;
use testkit::postgres::Postgres;

use super::*;

fn source(n: usize) -> Source {
    Source::built_in(Workspace::new("demo"), &format!("s{n}"), Kind::Api)
}

#[tokio::test]
async fn a_change_that_is_cut_off_is_known_if_it_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("t.db").display());
    let config = DatabaseConfig::new(url);
    let db = Database::open("ingest", &config, crate::store::migration::all, &Clock::system()).await.unwrap();
    let known = Sources::open(&db, false).await.unwrap();
    let mut polls = 1_usize;
    loop {
        let new = source(polls);
        let ended =
            polled(known.change(&new.workspace, async |unit| sources::insert(unit.db(), &new).await), polls)
                .await;
        // Whatever goes on without its caller holds this until memory is right.
        drop(known.changing.lock().await);
        let there = sources::all(db.read()).await.unwrap().iter().any(|source| source.key == new.key);
        assert_eq!(known.get(&new.workspace, &new.key).is_ok(), there, "cut off after {polls} polls");
        if let Some(outcome) = ended {
            outcome.unwrap();
            assert!(there);
            break;
        }
        polls += 1 + polls / 8;
    }
}

/// Two processes of the service.
async fn two_processes(name: &str) -> [Database; 2] {
    let name = format!("{name}_{}", std::process::id());
    let urls = Postgres::shared().await.unwrap().schemas(&name, &["ingest"]).await.unwrap();
    let own = |url: &str| url.replace("{service}", "ingest");
    let config = DatabaseConfig {
        owner_url: Secret::new(own(&urls.owner_url)),
        ..DatabaseConfig::new(own(&urls.url))
    };
    Database::migrate("ingest", &config, crate::store::migration::all).await.unwrap();
    let open = async || {
        Database::open("ingest", &config, crate::store::migration::all, &Clock::system()).await.unwrap()
    };
    [open().await, open().await]
}

fn of(workspace: &str) -> Source {
    let write_key_hash = hash_write_key(workspace);
    Source { write_key_hash, ..Source::built_in(Workspace::new(workspace), "web", Kind::Tracking) }
}

/// As a caller of that workspace does.
async fn make(sources: &Sources, source: &Source) {
    let tenant = Tenant::Workspace(source.workspace.clone());
    let change = async |unit: &mut Unit| sources::insert(unit.db(), source).await;
    tenant.scope(sources.change(&source.workspace, change)).await.unwrap();
}

#[tokio::test]
async fn a_change_in_one_workspace_leaves_those_of_others_known() {
    let [db, _] = two_processes("sources_apart").await;
    let known = Tenant::Platform.scope(Sources::open(&db, true)).await.unwrap();
    for workspace in ["shanghai", "beijing"] {
        make(&known, &of(workspace)).await;
    }
    for workspace in ["shanghai", "beijing", chassis::caller::DEV_TOKEN] {
        assert!(known.by_write_key(workspace).is_some(), "{workspace}");
    }
}

#[tokio::test]
async fn what_another_process_changes_is_learnt() {
    let [here, there] = two_processes("sources_learnt").await;
    let open = async |db| Tenant::Platform.scope(Sources::open(db, false)).await.unwrap();
    let (here, there) = (open(&here).await, open(&there).await);
    make(&here, &of("shanghai")).await;
    let learnt = async |wanted: bool| {
        let (begin, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(10)));
        while there.by_write_key("shanghai").is_some() != wanted {
            assert!(begin.elapsed() < Duration::from_secs(30), "not learnt");
            ticks.tick().await;
        }
    };
    let both = async {
        learnt(true).await;
        let workspace = Workspace::new("shanghai");
        let change = async |unit: &mut Unit| sources::delete(unit.db(), &workspace, "web").await;
        Tenant::Workspace(workspace.clone()).scope(here.change(&workspace, change)).await.unwrap();
        learnt(false).await;
    };
    tokio::select! {
        () = Tenant::Platform.scope(there.clone().follow()) => {}
        () = both => {}
    }
}
