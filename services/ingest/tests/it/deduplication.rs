//! The same event again: at once, later, after a restart, after the window.

use std::time::Duration;

use tokio::task::JoinSet;
use wire::ingest::{IngestEventsRequest, SourceKind};

use crate::world::{assembly, create, event, grpc, ingest, open, raw, request, source, sums};

#[tokio::test]
async fn an_id_is_taken_once_per_source() {
    let stage = open().await;
    assert_eq!(sums(&ingest(&stage, vec![event(&stage, "e1"), event(&stage, "e1")]).await), (1, 1, vec![]));
    assert_eq!(sums(&ingest(&stage, vec![event(&stage, "e1"), event(&stage, "e2")]).await), (1, 1, vec![]));
    create(&stage, source("crm", SourceKind::Api, serde_json::json!({}))).await;
    let other = IngestEventsRequest { events: vec![event(&stage, "e1")], source_key: "crm".to_owned() };
    assert_eq!(grpc(&stage).ingest_events(other).await.unwrap().into_inner().accepted, 1);
    assert_eq!(raw(&stage).await.len(), 3);
}

#[tokio::test]
async fn of_many_at_once_one_wins() {
    let stage = open().await;
    let mut calls = JoinSet::new();
    for _ in 0..32 {
        let (mut client, events) = (grpc(&stage), (0..8).map(|n| event(&stage, &n.to_string())).collect());
        calls.spawn(async move { client.ingest_events(request(events)).await.unwrap().into_inner() });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<u32>(), 8);
    assert_eq!(answers.iter().map(|answer| answer.duplicates).sum::<u32>(), 31 * 8);
    assert_eq!(raw(&stage).await.len(), 8);
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let stage = open().await;
    ingest(&stage, vec![event(&stage, "saved")]).await;
    stage.advance(Duration::from_secs(11)).await;
    ingest(&stage, vec![event(&stage, "on the log only")]).await;
    let again = |stage: &testkit::Stage| ["saved", "on the log only"].map(|id| event(stage, id)).to_vec();
    let stage = stage.reopen(assembly(&[])).await.unwrap();
    assert_eq!(sums(&ingest(&stage, again(&stage)).await), (0, 2, vec![]));
    let stage = stage.reopen(assembly(&[])).await.unwrap();
    let mut events = again(&stage);
    events.push(event(&stage, "new"));
    assert_eq!(sums(&ingest(&stage, events).await), (1, 2, vec![]));
    assert_eq!(raw(&stage).await.len(), 3);
}

#[tokio::test]
async fn a_lost_database_is_made_up_for_by_the_log() {
    let stage = open().await;
    ingest(&stage, vec![event(&stage, "e1")]).await;
    stage.advance(Duration::from_secs(11)).await;
    let elsewhere = format!("ingest.database.url=sqlite:{}", stage.folder().join("new.db").display());
    let stage = stage.reopen(assembly(&[&elsewhere])).await.unwrap();
    assert_eq!(sums(&ingest(&stage, vec![event(&stage, "e1")]).await), (0, 1, vec![]));
}

#[tokio::test]
async fn numbers_on_the_log_only_grow_also_across_restarts() {
    // Where there may be several processes, each counts for itself.
    let mut stage = testkit::Stage::open_on(testkit::Stack::Embedded, assembly(&[])).await.unwrap();
    for round in 0..3 {
        let mut calls = JoinSet::new();
        for call in 0..16 {
            let (mut client, events) =
                (grpc(&stage), (0..5).map(|n| event(&stage, &format!("{round}-{call}-{n}"))).collect());
            calls.spawn(
                async move { client.ingest_events(request(events)).await.unwrap().into_inner().accepted },
            );
        }
        assert_eq!(calls.join_all().await.iter().sum::<u32>(), 80);
        stage = stage.reopen(assembly(&[])).await.unwrap();
    }
    let entries = stage.running.log.read(bus::Stream::Raw, 0, 0, 1_000).await.unwrap();
    assert_eq!(entries.len(), 240);
    assert!(entries.iter().map(|entry| entry.record.sequence).is_sorted_by(|a, b| a < b));
    assert!(entries.iter().all(|entry| &*entry.record.producer == "ingest" && !entry.record.key.is_empty()));
}

#[tokio::test]
async fn after_the_window_an_id_is_new_again() {
    let stage = open().await;
    let first = event(&stage, "e1");
    ingest(&stage, vec![first.clone()]).await;
    stage.advance(Duration::from_secs(7 * 86_400)).await;
    assert_eq!(sums(&ingest(&stage, vec![first.clone()]).await), (0, 1, vec![]));
    stage.advance(Duration::from_secs(86_400)).await;
    assert_eq!(sums(&ingest(&stage, vec![first.clone()]).await), (1, 0, vec![]));
    let stage = stage.reopen(assembly(&[])).await.unwrap();
    assert_eq!(sums(&ingest(&stage, vec![first]).await), (0, 1, vec![]));
}
