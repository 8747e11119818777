//! Every event counts once, across flushes, compactions, restarts and repetitions on the log.

use sea_orm::ConnectionTrait as _;
use store::Database;
use testkit::Stack;
use wire::analytics::ScanEventsRequest;

use super::*;

/// Nobody else reads the files, so that those that were compacted need not be kept.
const SMALL: [&str; 4] =
    ["analytics.flush_rows=5", "analytics.fan_in=2", "analytics.batch=4", "analytics.replaced_kept=0s"];

fn files(stage: &Stage) -> usize {
    let folder = stage.folder().join("analytics");
    let files = std::fs::read_dir(folder).unwrap().filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "parquet")
    });
    files.count()
}

#[tokio::test]
async fn restarts_and_repetitions_change_no_figure() {
    let mut stage = Stage::open(assembly(&SMALL)).await.unwrap();
    let events: Vec<_> =
        (0..37).map(|n| event(u128::from(n % 5), "product_viewed", n, json!({"n": n}))).collect();
    for (part, sequence) in events.chunks(9).zip([1u64, 10, 19, 28, 37]) {
        play(&stage, sequence, part).await;
        // The relay crashed and appends once more.
        play(&stage, sequence, part).await;
        stage = stage.reopen(assembly(&SMALL)).await.unwrap();
        stage.settled().await;
    }
    assert_eq!(count(&stage).await, 37.0);
    assert!(files(&stage) < 5, "segments are compacted");
    play(&stage, 100, &moved("customer.merged", 4, 3, 40)).await;
    stage = stage.reopen(assembly(&SMALL)).await.unwrap();
    stage.settled().await;
    let request = ScanEventsRequest { customer_ids: vec![customer(3)], ..ScanEventsRequest::default() };
    let mut stream = client(&stage).scan_events(request).await.unwrap().into_inner();
    let mut seen = 0;
    while let Some(chunk) = stream.message().await.unwrap() {
        seen += chunk.events.iter().filter(|event| event.name == "product_viewed").count();
    }
    assert_eq!(seen, 14);
}

#[tokio::test]
async fn events_are_flushed_when_they_grow_old() {
    let stage = Stage::open(assembly(&["analytics.flush_age=10m"])).await.unwrap();
    play(&stage, 1, &[event(1, "product_viewed", 1, json!({}))]).await;
    stage.advance(Duration::from_secs(9 * 60)).await;
    assert_eq!(files(&stage), 0);
    stage.advance(Duration::from_secs(2 * 60)).await;
    assert_eq!((files(&stage), count(&stage).await), (1, 1.0));
}

#[tokio::test]
async fn what_is_no_event_is_left_out_and_the_rest_goes_on() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    let nobody = Event { record_id: String::new(), ..event(1, "product_viewed", 1, json!({})) };
    let strange = event(1, "customer.merged", 1, json!({"records": "全部"}));
    play(&stage, 1, &[nobody, strange, event(1, "product_viewed", 2, json!({}))]).await;
    assert_eq!(count(&stage).await, 1.0);
    // With the flush, what was refused is set aside and not refused again.
    stage.advance(Duration::from_secs(11 * 60)).await;
    let stage = stage.reopen(assembly(&[])).await.unwrap();
    stage.settled().await;
    assert_eq!(count(&stage).await, 1.0);
}

async fn change(db: &Database, sql: &str) {
    let unit = db.begin().await.unwrap();
    unit.db().execute_unprepared(sql).await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_database_that_refuses_for_a_while_costs_and_doubles_nothing() {
    // A trigger is the easiest way to a database that refuses, and SQLite's owner is whoever opens it.
    let stage = Stage::open_on(Stack::Embedded, assembly(&SMALL)).await.unwrap();
    let db = stage.database::<Analytics>().await.unwrap();
    // The last statement of the transaction fails.
    change(
        &db,
        "create trigger full before insert on log_position begin select raise(abort, 'disk full'); end",
    )
    .await;
    let events: Vec<_> = (0..7).map(|n| event(1, "product_viewed", n, json!({}))).collect();
    stage.append(Stream::Events, 1, &events).await.unwrap();
    // Two batches of four: the first flush is due behind the second, and keeps being refused.
    let written = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while files(&stage) == 0 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
    assert_eq!(count(&stage).await, 7.0);
    change(&db, "drop trigger full").await;
    play(&stage, 8, &[event(1, "product_viewed", 8, json!({}))]).await;
    assert_eq!((files(&stage), count(&stage).await), (1, 8.0));
    let stage = stage.reopen(assembly(&SMALL)).await.unwrap();
    stage.settled().await;
    assert_eq!((files(&stage), count(&stage).await), (1, 8.0));
}

#[tokio::test]
async fn a_log_that_was_emptied_is_read_from_its_start() {
    let stage = Stage::open(assembly(&SMALL)).await.unwrap();
    let events: Vec<_> = (0..10).map(|n| event(1, "product_viewed", n, json!({}))).collect();
    play(&stage, 1, &events).await;
    // As if the log had been lost: it ends before the place that is kept.
    change(
        &stage.database::<Analytics>().await.unwrap(),
        "update log_position set position = position + 1000000000",
    )
    .await;
    let stage = stage.reopen(assembly(&SMALL)).await.unwrap();
    play(&stage, 11, &[event(1, "product_viewed", 11, json!({}))]).await;
    assert_eq!(count(&stage).await, 11.0);
}
