//! What was taken from under a consumer: events that the log keeps no longer, and a database that is an older one.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::Lines;

use super::*;

/// The log begins behind what was read of it: said with the number, once, and not by who never read any of it.
#[tokio::test]
async fn events_that_were_removed_before_they_were_applied_are_reported() {
    let (lines, _logging) = Lines::collect(tracing::Level::INFO);
    let folder = tempfile::tempdir().unwrap();
    let (clock, warp) = Clock::warped(Time::from_seconds(1_795_226_400));
    let retention = Duration::from_secs(3_600);
    let options = Options {
        clock: clock.clone(),
        segment_bytes: 300,
        retention: Some(retention),
        ..Options::default()
    };
    let log = EmbeddedLog::open(&folder.path().join("log"), options).unwrap();
    let bench = Bench { folder, log, clock, warp, batch: 7 };
    let db = bench.database().await;
    bench.append(1, &[("read", "fact")]).await;
    bench.run(&db, Notes::default()).await;
    for sequence in 2..10 {
        bench.append(sequence, &[("unread", "fact")]).await;
    }
    bench.warp.advance_to(bench.clock.now().plus(2 * retention));
    // Old files go whenever one is sealed.
    for sequence in 10..20 {
        bench.append(sequence, &[("later", "fact")]).await;
    }
    let start = bench.log.start(Stream::Events, 0);
    assert!(start > 1, "nothing was removed");
    bench.run(&db, Notes::default()).await;
    let said = lines.text();
    let told: Vec<&str> = said.lines().filter(|line| line.contains("before they were applied")).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].contains("ERROR") && told[0].contains(&format!("gone={}", start - 1)), "{said}");
    assert!(told[0].contains("common.bus.retention"), "{said}");

    bench.run(&bench.named("new").await, Notes::default()).await;
    assert_eq!(lines.text().matches("before they were applied").count(), 1, "who is new misses nothing");
}

async fn change(db: &Database, text: &str) {
    let unit = db.begin().await.unwrap();
    unit.db().execute_raw(Statement::from_string(DbBackend::Sqlite, text)).await.unwrap();
    unit.commit().await.unwrap();
}

/// As after a failover to a standby that lacks the last commits, while the process goes on with what it remembers.
#[tokio::test]
async fn a_database_that_lacks_the_last_commits_gets_their_events_again() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "fact")]).await;
    bench.run(&db, Notes::default()).await;
    change(&db, "CREATE TABLE standby AS SELECT * FROM log_position").await;
    let going_on = bench.settled(&db, Notes::default()).await;
    bench.append(2, &[("b", "fact"), ("c", "fact")]).await;
    let has = async |wanted: &[&str]| {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let soon = async {
            while seen(&db).await != wanted {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), soon).await.expect("events are missing");
    };
    has(&["a", "b", "c"]).await;
    change(&db, "DELETE FROM seen WHERE event <> 'a'").await;
    change(&db, "DELETE FROM log_position").await;
    change(&db, "INSERT INTO log_position SELECT * FROM standby").await;
    bench.append(4, &[("d", "fact")]).await;
    has(&["a", "b", "c", "d"]).await;
    drop(going_on);
}
