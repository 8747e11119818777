//! What memory may not rely on: other processes write, servers vanish without a word, and others take their place.

use testkit::Lossy;

use super::*;

/// Begins a unit of work and ends it.
async fn generation(db: &Database, commits: bool) -> u64 {
    let unit = db.begin().await.unwrap();
    let generation = unit.generation();
    if commits {
        unit.commit().await.unwrap();
    } else {
        unit.roll_back().await.unwrap();
    }
    generation
}

/// What memory keeps is to be read anew after another process has written, whichever unit of work noticed it, and only
/// then.
#[tokio::test]
async fn a_process_knows_that_others_wrote() {
    let (config, first) = migrated().await;
    let second = open(&config, now).await.unwrap();
    let remembered = generation(&first, true).await;
    assert_eq!(generation(&first, true).await, remembered, "nobody else wrote");
    let others = generation(&second, true).await;
    // The unit that meets the other's traces need not be one that keeps anything in memory, nor commit.
    for commits in [false, true] {
        assert!(generation(&first, commits).await > remembered);
    }
    let later = generation(&first, true).await;
    assert!(later > remembered, "not only the first one to look is told");
    assert_eq!(generation(&first, true).await, later);
    assert!(generation(&second, false).await > others);
}

/// A database of the test's own, reached over a line that may go silent.
async fn over_a_line() -> (Lossy, Database) {
    let (config, _db) = migrated().await;
    let url = config.url.expose();
    let address = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    let line = Lossy::start(address).await.unwrap();
    let url = url.replace(address, &line.address().to_string());
    let config = DatabaseConfig { statement_timeout: "3s".to_owned(), ..DatabaseConfig::new(url) };
    let db = open(&config, now).await.unwrap();
    (line, db)
}

/// Connections for units of work, where there are four for reading.
const WRITING: u32 = 3;

/// The machine of the server is gone: nothing answers, and no connection ends.
#[tokio::test]
async fn a_server_that_vanished_is_not_waited_for() {
    let (line, db) = over_a_line().await;
    // All the connections there may be: one in a unit of work, the others waiting for it.
    let first = db.begin().await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 1..WRITING {
        let db = db.clone();
        waiting.spawn(async move { db.begin().await.map(drop) });
    }
    let write = || db.connections().into_iter().find(|pool| pool.name == "write").unwrap();
    until(|| write().used == WRITING && write().unopened == 0).await;
    line.silence();
    let begin = Instant::now();
    assert_eq!(first.commit().await.unwrap_err().reason, "DATABASE_SILENT");
    for begun in waiting.join_all().await {
        // One that was only connecting got through, and waits for the unit that the server still keeps.
        assert_eq!(begun.unwrap_err().kind, Kind::Unavailable);
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    // They are given up, and make room for connections to what took the server's place.
    until(|| write().used == 0).await;
    db.begin().await.unwrap().roll_back().await.unwrap();
}

/// Connections that nobody used when it went are tried before somebody does, and replaced.
#[tokio::test]
async fn idle_connections_to_a_server_that_vanished_are_replaced() {
    let (line, db) = over_a_line().await;
    let read = async || db.read().query_one_raw(raw("SELECT 1")).await;
    let unit = db.begin().await.unwrap();
    read().await.unwrap();
    line.silence();
    // It takes longer than a connection is trusted untried.
    assert_eq!(unit.commit().await.unwrap_err().reason, "DATABASE_SILENT");
    let begin = Instant::now();
    read().await.unwrap();
    db.begin().await.unwrap().roll_back().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

/// Its leases run out and are held again, over another connection, though the server keeps the old one's lock.
#[tokio::test]
async fn leases_outlive_a_connection_that_went_silent() {
    let (line, db) = over_a_line().await;
    let leases = Leases::new(&db);
    leases.want("events 0");
    let mut running = JoinSet::new();
    running.spawn(leases.clone().run());
    let before = leases.acquired("events 0").await;
    let remembered = generation(&db, true).await;
    line.silence();
    until(|| leases.held("events 0").is_none()).await;
    until(|| leases.held("events 0").is_some()).await;
    assert_eq!(leases.held("events 0"), Some(before), "nobody else wanted it");
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    // The pool finds out which of its connections are of no use any more.
    let unit = loop {
        match db.begin().await {
            Ok(unit) => break unit,
            Err(_) => ticks.tick().await,
        };
    };
    assert!(unit.generation() > remembered, "it may be another server, which lacks the last commits");
}

/// A standby that took over has not seen the last numbers; readers know them, and would take later events for repetitions.
#[tokio::test]
async fn numbers_are_not_used_again_after_a_failover() {
    let (_config, db) = migrated().await;
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let (producer, activity) = ("notes".into(), Activity::default());
    let mut running = JoinSet::new();
    running.spawn(Relay { db: db.clone(), log: log.clone(), producer, activity }.run());
    let publish = async |id: &str| {
        let mut unit = db.begin().await.unwrap();
        unit.publish(&Workspace::new("demo"), &Event { id: id.to_owned(), ..Event::default() });
        unit.commit().await.unwrap();
    };
    let begun = db.read().query_one_raw(raw("SELECT outbox_id FROM writer WHERE id = 2")).await.unwrap();
    let begun: i64 = begun.unwrap().try_get("", "outbox_id").unwrap();
    for n in 0..20 {
        publish(&n.to_string()).await;
    }
    let unit = db.begin().await.unwrap();
    let back = raw(&format!("UPDATE writer SET outbox_id = {begun} WHERE id = 2"));
    unit.db().execute_raw(back).await.unwrap();
    unit.commit().await.unwrap();
    publish("after the failover").await;
    log.wait(Stream::Events, 0, 20).await;
    let entries = log.read(Stream::Events, 0, 0, 100).await.unwrap();
    assert!(entries.is_sorted_by(|one, next| one.record.sequence < next.record.sequence), "{entries:?}");
}

/// Who stops in the midst of a unit of work holds the others up for as long as PostgreSQL lets it, and no longer.
#[tokio::test]
async fn a_unit_of_work_that_stands_still_is_ended() {
    let (config, first) = migrated().await;
    let second = open(&config, now).await.unwrap();
    let standing = first.begin().await.unwrap();
    let begin = Instant::now();
    second.begin().await.unwrap().commit().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(standing.commit().await.unwrap_err().kind, Kind::Unavailable);
}
