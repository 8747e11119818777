//! Streams that somebody purges, deletes or fills, and records that grow old.

use async_nats::jetstream::{self, Context, stream};
use kernel::Kind;

use super::*;

/// The operator's hand.
async fn operator(place: &Place) -> Context {
    jetstream::new(async_nats::connect(place.server.url()).await.unwrap())
}

impl Place {
    fn events(&self) -> String {
        format!("{}-events", self.options.prefix)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_purge_the_new_is_read_and_nothing_is_waited_for() {
    let place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..10).await;
    let behind_five = entries(&log, 0).await[5].position;
    let end = log.end(Stream::Events, 0);
    operator(&place).await.get_stream(place.events()).await.unwrap().purge().await.unwrap();

    let later = place.log().await;
    for log in [&log, &later] {
        assert_eq!(read(log, 0).await, [] as [u64; 0]);
        assert_eq!(log.start(Stream::Events, 0), log.end(Stream::Events, 0));
        assert!(log.end(Stream::Events, 0) >= end, "positions do not fall");
        assert!(
            log.wait(Stream::Events, 0, behind_five).now_or_never().is_none(),
            "there is nothing to read"
        );
    }
    let mut waiting = tokio::task::JoinSet::new();
    for log in [log.clone(), later.clone()] {
        waiting.spawn(async move { log.wait(Stream::Events, 0, behind_five).await });
    }
    append(&log, 10..12).await;
    soon(waiting.join_all()).await;
    assert_eq!(read(&log, behind_five).await, [10, 11]);
    assert_eq!(read(&later, end).await, [10, 11]);
}

/// Whoever had read no farther than what is gone sees it by the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_purge_the_start_lies_behind_what_is_gone_whatever_came_since() {
    let place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..10).await;
    let last = entries(&log, 0).await[9].position;
    operator(&place).await.get_stream(place.events()).await.unwrap().purge().await.unwrap();
    append(&log, 10..12).await;
    soon(log.latest(Stream::Events)).await.unwrap();
    let later = place.log().await;
    for log in [&log, &later] {
        let kept = entries(log, 0).await;
        assert_eq!(kept.len(), 2);
        let start = log.start(Stream::Events, 0);
        assert!(last < start && start <= kept[0].position, "{last} {start} {}", kept[0].position);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_purge_leaves_stays_in_its_place() {
    let place = Place::new(1);
    let log = place.log().await;
    for n in 0..10 {
        append(&log, n..n + 1).await;
    }
    let before = entries(&log, 0).await;
    let stream = operator(&place).await.get_stream(place.events()).await.unwrap();
    stream.purge().keep(3).await.unwrap();
    let epoch = log.shared.link.borrow().epoch;
    log.shared.doubt.notify_one();
    until("the keeper has looked", || log.start(Stream::Events, 0) > before[6].position).await;
    append(&log, 10..11).await;
    for log in [&log, &place.log().await] {
        let after = entries(log, 0).await;
        assert_eq!(after[..3], before[7..]);
        assert_eq!(after[3].record.sequence, 10);
        assert!(before[6].position < log.start(Stream::Events, 0));
        assert!(after[3].position > before[9].position);
    }
    assert_eq!(log.shared.link.borrow().epoch, epoch, "nothing is numbered anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_made_anew_and_positions_grow() {
    let place = Place::new(2);
    let (log, other) = (place.log().await, place.log().await);
    let partition = crate::partition_of("张伟".as_bytes(), 2);
    append(&log, 0..10).await;
    soon(other.latest(Stream::Events)).await.unwrap();
    let next = log.end(Stream::Events, partition);
    let mut waiting = tokio::task::JoinSet::new();
    for log in [log.clone(), other.clone()] {
        waiting.spawn(async move { log.wait(Stream::Events, partition, next).await });
    }
    operator(&place).await.delete_stream(place.events()).await.unwrap();
    append(&log, 10..12).await;
    soon(waiting.join_all()).await;
    for log in [&log, &other, &place.log().await] {
        let read = soon(log.read(Stream::Events, partition, next, 100)).await.unwrap();
        let mut sequences: Vec<_> = read.iter().map(|entry| entry.record.sequence).collect();
        // Sent again, when the answer went with the old stream.
        sequences.sort_unstable();
        sequences.dedup();
        assert_eq!(sequences, [10, 11]);
        assert!(read.iter().all(|entry| entry.position >= next));
        assert_eq!(Some(log.end(Stream::Events, partition)), read.last().map(|last| last.position + 1));
    }
    // The other stream is as it was.
    soon(log.append(Stream::Raw, records(0..1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_said_with_what_to_do() {
    let server =
        NatsServer::start_with("max_payload: 8MB\njetstream { store_dir: \"STORE\", max_file_store: 2MB }");
    let mut place = Place::on(server.unwrap(), 1);
    let log = place.log().await;
    let large = |n| vec![Record { payload: vec![b'x'; 200_000].into(), ..record(n) }];
    let mut kept = 0;
    let refused = loop {
        match soon(log.append(Stream::Events, large(kept))).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 20, "never full");
    };
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(refused.message.contains("max_file_store"), "{refused}");
    assert_eq!(read(&log, 0).await, (0..kept).collect::<Vec<_>>());
    place.server.configure("max_payload: 8MB").unwrap();
    place.server.restart().unwrap();
    soon(log.append(Stream::Events, large(kept))).await.unwrap();
    assert_eq!(read(&log, 0).await, (0..=kept).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go_and_their_place_is_passed_over() {
    let mut place = Place::new(1);
    place.options.retention = Some(Duration::from_secs(1));
    let log = place.log().await;
    append(&log, 0..10).await;
    let first = entries(&log, 0).await[0].position;
    let context = operator(&place).await;
    let kept = async || context.get_stream(place.events()).await.unwrap().cached_info().state.messages;
    let (begin, mut ticks) = (tokio::time::Instant::now(), tokio::time::interval(TICK));
    while kept().await > 0 {
        assert!(begin.elapsed() < DEADLINE, "nothing grows old");
        ticks.tick().await;
    }
    let later = place.log().await;
    assert_eq!(read(&later, first).await, [] as [u64; 0]);
    assert!(later.wait(Stream::Events, 0, first).now_or_never().is_none(), "there is nothing to read");
    append(&log, 10..11).await;
    soon(later.wait(Stream::Events, 0, first)).await;
    assert_eq!(read(&later, first).await, [10]);
}

#[tokio::test]
async fn retention_is_changed_in_place() {
    let mut place = Place::new(1);
    append(&*place.log().await, 0..3).await;
    place.options.retention = Some(Duration::from_secs(3_600));
    let log = place.log().await;
    let stream = operator(&place).await.get_stream(place.events()).await.unwrap();
    let config: &stream::Config = &stream.cached_info().config;
    assert_eq!(config.max_age, Duration::from_secs(3_600));
    assert_eq!(read(&log, 0).await, [0, 1, 2]);
}

#[tokio::test]
async fn what_somebody_else_published_is_named() {
    let place = Place::new(1);
    let log = place.log().await;
    append(&log, 0..2).await;
    let subject = format!("{}.events.0", place.options.prefix);
    operator(&place).await.publish(subject, "手工测试".into()).await.unwrap().await.unwrap();
    append(&log, 2..4).await;
    let good = soon(log.read(Stream::Events, 0, 0, 2)).await.unwrap();
    assert_eq!(good.len(), 2, "what stands before it is read");
    let next = good[1].position + 1;
    let damaged = soon(log.read(Stream::Events, 0, next, 10)).await.unwrap_err();
    assert_eq!(damaged.kind, Kind::Internal);
    assert!(damaged.message.contains(&format!("nats stream rmm {} 2", place.events())), "{damaged}");
    // Behind it, all is well.
    assert_eq!(read(&log, next + 4_096).await, [2, 3]);
}
