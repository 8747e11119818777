//! What is appended stays, as it was, where it belongs, in order.

use std::sync::Arc;

use bytes::Bytes;
use kernel::{Error, Kind, Result, Workspace};
use tokio::task::JoinSet;

use super::{Backend, all, everything, record, sequences, soon};
use crate::{Log, MAX_RECORD_BYTES, Record, Stream, partition_of};

/// Records of one partition are read in the order in which they were appended.
pub async fn keeps_order(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let (mut sequence, mut expected) = (0, vec![Vec::new(); log.partitions() as usize]);
    for size in [1, 2, 300, 1, 50] {
        let records: Vec<_> =
            (sequence..sequence + size).map(|n| record(&format!("顾客{}", n % 17), n, "到店")).collect();
        for record in &records {
            let partition = partition_of(&record.key, log.partitions()) as usize;
            expected
                .get_mut(partition)
                .into_iter()
                .for_each(|of_partition| of_partition.push(record.sequence));
        }
        sequence += size;
        soon("append", log.append(Stream::Events, records)).await??;
    }
    for (partition, expected) in (0..).zip(expected) {
        let entries = everything(&*log, Stream::Events, partition).await?;
        assert_eq!(sequences(&entries), expected);
        assert!(
            log.start(Stream::Events, partition) <= entries.first().map_or(u64::MAX, |first| first.position)
        );
    }
    Ok(())
}

/// The same key is found in the same partition, whatever the stream and the call; and keys use all partitions.
pub async fn keeps_one_key_in_one_partition(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let keys: Vec<_> = (0..64).map(|n| format!("oUpF8uMuAJO_{n}")).collect();
    for (sequence, stream) in (0..).zip([Stream::Raw, Stream::Events, Stream::Events]) {
        let records = keys.iter().map(|key| record(key, sequence, "浏览")).collect();
        soon("append", log.append(stream, records)).await??;
    }
    for (stream, times) in [(Stream::Raw, 1), (Stream::Events, 2)] {
        let mut found = 0;
        for partition in 0..log.partitions() {
            let entries = everything(&*log, stream, partition).await?;
            assert!(!entries.is_empty(), "no key of 64 came to partition {partition}");
            for key in &keys {
                let here = entries.iter().filter(|entry| entry.record.key == key.as_bytes()).count();
                assert!(here == 0 || here == times, "{key} was spread");
                found += here;
            }
        }
        assert_eq!(found, keys.len() * times);
    }
    Ok(())
}

/// Empty fields, Chinese text and arbitrary bytes come back as they were.
pub async fn keeps_every_byte(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let odd = |key: Bytes, payload: Bytes, sequence| Record {
        workspace: Workspace::new("上海旗舰店"),
        key,
        producer: "身份".into(),
        sequence,
        payload,
    };
    let every_byte: Bytes = (0..=u8::MAX).collect();
    let records = vec![
        odd("张伟".into(), Bytes::new(), 0),
        odd(Bytes::new(), "没有键".into(), u64::MAX),
        odd(Bytes::new(), Bytes::new(), 1),
        odd(every_byte.clone(), every_byte, 2),
        odd("👩‍👧 会员".into(), vec![0; 4_096].into(), 3),
    ];
    soon("append", log.append(Stream::Raw, records.clone())).await??;
    drop(log);
    let log = backend.open().await?;
    let mut found: Vec<_> = all(&*log, Stream::Raw).await?.into_iter().map(|entry| entry.record).collect();
    found.sort_by_key(|found| records.iter().position(|record| record.sequence == found.sequence));
    assert_eq!(found, records);
    Ok(())
}

/// Both streams count for themselves, and workspaces share a partition without being mixed up.
pub async fn keeps_streams_apart(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let of = |workspace: &str, sequence| Record {
        workspace: Workspace::new(workspace),
        ..record("李娜", sequence, "加购")
    };
    soon("append", log.append(Stream::Raw, vec![of("demo", 1), of("retail", 1), of("demo", 2)])).await??;
    soon("append", log.append(Stream::Events, vec![of("retail", 7)])).await??;
    let raw: Vec<_> = all(&*log, Stream::Raw).await?.into_iter().map(|entry| entry.record).collect();
    assert_eq!(raw, [of("demo", 1), of("retail", 1), of("demo", 2)]);
    let events: Vec<_> = all(&*log, Stream::Events).await?.into_iter().map(|entry| entry.record).collect();
    assert_eq!(events, [of("retail", 7)]);
    Ok(())
}

/// Many append at the same time; nothing is lost or doubled, and each finds its own records in its own order.
pub async fn keeps_each_appenders_order(backend: &dyn Backend) -> Result<()> {
    const APPENDERS: u64 = 16;
    const RECORDS: u64 = 60;
    let log = backend.open().await?;
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        appenders.spawn(append_as(log.clone(), format!("replica-{appender}").into(), RECORDS));
    }
    while let Some(ended) = appenders.join_next().await {
        ended.map_err(|error| Error::internal(error.to_string()))??;
    }
    let entries = all(&*log, Stream::Events).await?;
    assert_eq!(entries.len() as u64, APPENDERS * RECORDS);
    for appender in 0..APPENDERS {
        let producer = format!("replica-{appender}");
        let own: Vec<_> = entries.iter().filter(|entry| *entry.record.producer == *producer).collect();
        let mut seen = sequences(own.iter().copied());
        for partition in 0..log.partitions() {
            let in_partition = |key: &Bytes| partition_of(key, log.partitions()) == partition;
            assert!(
                sequences(own.iter().copied().filter(|entry| in_partition(&entry.record.key))).is_sorted()
            );
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..RECORDS).collect::<Vec<_>>());
    }
    Ok(())
}

async fn append_as(log: Arc<dyn Log>, producer: Arc<str>, records: u64) -> Result<()> {
    for first in (0..records).step_by(3) {
        let three = (first..first + 3)
            .map(|n| Record {
                producer: producer.clone(), ..record(&format!("会员{}", n % 5), n, "下单")
            })
            .collect();
        soon("append", log.append(Stream::Events, three)).await??;
    }
    Ok(())
}

/// What was answered for is there after reopening, at the same positions, and new records come behind it.
pub async fn keeps_what_it_answered_for(backend: &dyn Backend) -> Result<()> {
    let mut before = Vec::new();
    for round in 0..4_u64 {
        let log = backend.open().await?;
        let kept = all(&*log, Stream::Events).await?;
        assert_eq!(kept, before, "round {round}");
        let ends: Vec<_> =
            (0..log.partitions()).map(|partition| log.end(Stream::Events, partition)).collect();
        let records = (0..40).map(|n| record(&format!("顾客{n}"), round * 40 + n, "签到")).collect();
        soon("append", log.append(Stream::Events, records)).await??;
        for (partition, end) in (0..).zip(ends) {
            let new = soon("read", log.read(Stream::Events, partition, end, 1_000)).await??;
            assert!(new.iter().all(|entry| entry.position >= end && entry.record.sequence >= round * 40));
        }
        before = all(&*log, Stream::Events).await?;
        assert_eq!(before.len() as u64, (round + 1) * 40);
    }
    Ok(())
}

/// A record of the greatest size is taken; one byte more is refused, together with what came in the same call.
pub async fn refuses_large_records(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let key = "王芳";
    let large =
        |more: usize, sequence| record(key, sequence, vec![b'x'; MAX_RECORD_BYTES - key.len() + more]);
    soon("append", log.append(Stream::Raw, vec![large(0, 1)])).await??;
    let refused = soon("append", log.append(Stream::Raw, vec![record(key, 2, "小"), large(1, 3)])).await?;
    assert!(refused.is_err_and(|error| error.kind == Kind::Invalid && error.message.contains("records[1]")));
    assert_eq!(sequences(&all(&*log, Stream::Raw).await?), [1]);
    Ok(())
}
