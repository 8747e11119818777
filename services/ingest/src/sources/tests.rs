//! Memory and database agree, wherever a call that changes them is cut off.

use kernel::Clock;
use store::DatabaseConfig;
use testkit::polled;

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
        let ended = polled(known.change(async |unit| sources::insert(unit.db(), &new).await), polls).await;
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
