//! Servers that go away, come back, freeze, or come back with less.

use kernel::Kind;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

/// Any answer comes within the five seconds promised, and a little more for a busy machine.
const PROMISED: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_said_and_everything_goes_on_when_it_is_back() {
    let mut place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..100).await;
    let before = entries(&log, 0).await;
    let next = log.end(Stream::Events, 0);
    let mut waiting = JoinSet::new();
    let waiter = log.clone();
    waiting.spawn(async move { waiter.wait(Stream::Events, 0, next).await });

    place.server.kill();
    until("the loss is seen", || log.healthy().is_err()).await;
    let said = log.healthy().unwrap_err();
    assert!(said.message.contains("127.0.0.1"), "{said}");
    let begin = Instant::now();
    let refused = log.append(Stream::Events, records(100..101)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(refused.message.contains("not connected"), "{refused}");
    assert_eq!(log.latest(Stream::Events).await.unwrap_err().kind, Kind::Unavailable);
    assert!(begin.elapsed() < 2 * PROMISED, "{:?}", begin.elapsed());

    place.server.restart().unwrap();
    append(&log, 100..110).await;
    soon(waiting.join_next()).await.unwrap().unwrap();
    until("the log is well", || log.healthy().is_ok()).await;
    let after = entries(&log, 0).await;
    assert_eq!(after[..100], before, "positions stay");
    assert_eq!(read(&log, next).await, (100..110).collect::<Vec<_>>());
    assert_eq!(entries(&*place.log().await, 0).await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_only_delays() {
    let mut place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..10).await;
    let mut appending = JoinSet::new();
    for n in 10..40 {
        let log = log.clone();
        appending.spawn(async move { log.append(Stream::Events, records(n..n + 1)).await });
        if n == 20 {
            place.server.kill();
        }
    }
    place.server.restart().unwrap();
    while let Some(appended) = appending.join_next().await {
        appended.unwrap().unwrap();
    }
    let mut seen = read(&log, 0).await;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_killing_the_server_again_and_again() {
    let mut place = Place::new(1);
    let appending = Appending::begin(&place.log().await);
    for _ in 0..4 {
        appending.goes_on(300).await;
        place.server.kill();
        place.server.restart().unwrap();
    }
    let answered = appending.end().await;
    assert_nothing_lost(&answered, read(&*place.log().await, 0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_keeps_nobody_waiting() {
    let place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..10).await;
    place.server.freeze(true).unwrap();
    let begin = Instant::now();
    let appended = log.append(Stream::Events, records(10..11)).await.unwrap_err();
    assert_eq!(appended.kind, Kind::Unavailable);
    assert!(begin.elapsed() < PROMISED, "{:?}", begin.elapsed());
    let begin = Instant::now();
    assert_eq!(log.read(Stream::Events, 0, 0, 5).await.unwrap_err().kind, Kind::Unavailable);
    assert!(begin.elapsed() < PROMISED, "{:?}", begin.elapsed());
    place.server.freeze(false).unwrap();
    until("the log is well", || log.healthy().is_ok()).await;
    append(&log, 10..20).await;
    let mut seen = read(&log, 0).await;
    // What was refused may have been kept.
    seen.dedup();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_newest_records_is_read_anew() {
    let mut place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..10).await;
    place.server.kill();
    let backup = tempfile::tempdir().unwrap();
    nats::copy_folder(&place.server.store(), backup.path()).unwrap();
    place.server.restart().unwrap();
    append(&log, 10..20).await;
    let next = log.end(Stream::Events, 0);
    let other = place.log().await;

    place.server.kill();
    std::fs::remove_dir_all(place.server.store()).unwrap();
    nats::copy_folder(backup.path(), &place.server.store()).unwrap();
    place.server.restart().unwrap();
    append(&log, 20..25).await;

    // Whoever had read everything finds what is left of it, and the new, behind where it was.
    soon(log.wait(Stream::Events, 0, next)).await;
    let expected: Vec<_> = (0..10).chain(20..25).collect();
    assert_eq!(read(&log, next).await, expected);
    soon(other.wait(Stream::Events, 0, next)).await;
    until("the other sees the same", || other.end(Stream::Events, 0) == log.end(Stream::Events, 0)).await;
    assert_eq!(entries(&other, next).await, entries(&log, 0).await);
    assert_eq!(entries(&*place.log().await, 0).await, entries(&log, 0).await);
}
