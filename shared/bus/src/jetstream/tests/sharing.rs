//! Several processes on one log.

use tokio::task::JoinSet;

use super::*;
use crate::partition_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_see_the_same_at_the_same_positions() {
    const RECORDS: u64 = 300;
    let place = Place::new(2);
    let logs = [place.log().await, place.log().await];
    let mut work = JoinSet::new();
    for (log, producer) in logs.iter().cloned().zip(["replica-0", "replica-1"]) {
        work.spawn(async move {
            for n in 0..RECORDS {
                let key = format!("顾客{}", n % 7).into();
                let record = Record { producer: producer.into(), key, ..record(n) };
                soon(log.append(Stream::Events, vec![record])).await.unwrap();
            }
        });
    }
    let mut followers = JoinSet::new();
    for log in &logs {
        let log = log.clone();
        followers.spawn(async move {
            let mut seen = vec![Vec::new(), Vec::new()];
            while seen.iter().map(Vec::len).sum::<usize>() < 2 * RECORDS as usize {
                for (partition, seen) in (0..).zip(&mut seen) {
                    let next = seen.last().map_or(0, |last: &Entry| last.position + 1);
                    seen.extend(soon(log.read(Stream::Events, partition, next, 50)).await.unwrap());
                }
                let next = |partition: usize| seen[partition].last().map_or(0, |last| last.position + 1);
                if seen.iter().map(Vec::len).sum::<usize>() < 2 * RECORDS as usize {
                    let waits = [log.wait(Stream::Events, 0, next(0)), log.wait(Stream::Events, 1, next(1))];
                    soon(futures::future::select_all(waits)).await;
                }
            }
            seen
        });
    }
    work.join_all().await;
    let seen = followers.join_all().await;
    assert_eq!(seen[0], seen[1]);
    for (partition, entries) in (0..).zip(&seen[0]) {
        for producer in ["replica-0", "replica-1"] {
            let of = entries.iter().filter(|entry| &*entry.record.producer == producer);
            assert!(of.map(|entry| entry.record.sequence).is_sorted(), "{producer} out of order");
        }
        assert!(entries.iter().all(|entry| partition_of(&entry.record.key, 2) == partition));
    }
}

#[tokio::test]
async fn latest_covers_what_others_were_answered_for() {
    let place = Place::new(4);
    let (writer, reader) = (place.log().await, place.log().await);
    for round in 0..20 {
        let key = format!("会员{round}");
        let partition = partition_of(key.as_bytes(), 4);
        soon(writer.append(Stream::Raw, vec![Record { key: key.into(), ..record(round) }])).await.unwrap();
        soon(reader.latest(Stream::Raw)).await.unwrap();
        assert_eq!(reader.end(Stream::Raw, partition), writer.end(Stream::Raw, partition));
    }
}

#[tokio::test]
async fn who_follows_late_misses_nothing_between_the_past_and_the_present() {
    let place = Place::new(1);
    let (writer, reader) = (place.log().await, place.log().await);
    let (mut next, mut seen) = (0, Vec::new());
    for round in 0..60 {
        append(&writer, round * 10..round * 10 + 10).await;
        soon(reader.wait(Stream::Events, 0, next)).await;
        let read = soon(reader.read(Stream::Events, 0, next, 7)).await.unwrap();
        assert!(!read.is_empty(), "woken, and nothing to read");
        next = read.last().map_or(next, |last| last.position + 1);
        seen.extend(read.iter().map(|entry| entry.record.sequence));
    }
    soon(reader.latest(Stream::Events)).await.unwrap();
    seen.extend(super::read(&reader, next).await);
    assert_eq!(seen, (0..600).collect::<Vec<_>>());
}

#[tokio::test]
async fn large_appends_keep_their_order_across_messages_and_partitions() {
    let place = Place::new(3);
    let log = place.log().await;
    let many: Vec<_> = (0..20_000)
        .map(|n| Record { key: format!("{}", n % 11).into(), payload: vec![b'x'; 200].into(), ..record(n) })
        .collect();
    soon(log.append(Stream::Events, many)).await.unwrap();
    let log = place.log().await;
    let mut count = 0;
    for partition in 0..3 {
        let (mut next, mut before) = (0, None);
        loop {
            let read = soon(log.read(Stream::Events, partition, next, 3_000)).await.unwrap();
            let Some(last) = read.last() else { break };
            next = last.position + 1;
            count += read.len();
            for entry in &read {
                assert!(before < Some(entry.record.sequence));
                before = Some(entry.record.sequence);
            }
        }
    }
    assert_eq!(count, 20_000);
}

#[tokio::test]
async fn closing_finishes_what_was_accepted() {
    let place = Place::new(1);
    let log = place.log().await;
    let mut appends: Vec<_> = (0..50).map(|n| log.append(Stream::Events, records(n..n + 1))).collect();
    for append in &mut appends {
        // Polled once: handed over, and the answer not waited for.
        if let Some(answer) = append.now_or_never() {
            answer.unwrap();
        }
    }
    soon(log.close()).await;
    drop(appends);
    assert_eq!(
        log.append(Stream::Events, records(50..51)).await.unwrap_err().kind,
        kernel::Kind::Unavailable
    );
    assert!(log.healthy().is_err());
    let log = place.log().await;
    assert_eq!(read(&log, 0).await, (0..50).collect::<Vec<_>>());
}
