//! Reading from any position.

use kernel::Result;

use super::{Backend, everything, record, sequences, soon};
use crate::{MAX_RECORD_BYTES, Stream, partition_of};

/// A new log has nothing, and appending nothing changes nothing.
pub async fn is_empty_at_first(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    soon("append", log.append(Stream::Events, Vec::new())).await??;
    for stream in Stream::ALL {
        for partition in 0..log.partitions() {
            assert_eq!(log.start(stream, partition), log.end(stream, partition));
            assert_eq!(soon("read", log.read(stream, partition, 0, 10)).await??, []);
        }
        assert!(soon("read", log.read(stream, log.partitions(), 0, 10)).await?.is_err(), "no such partition");
    }
    Ok(())
}

/// The end covers what was answered for, and stands right behind the last record, so that who has read it is at the end. Back from
/// there by a distance, there is that distance.
pub async fn knows_its_latest_end(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    log.healthy()?;
    for round in 0..5 {
        let records = (0..20).map(|n| record(&format!("会员{n}"), round * 20 + n, "签到")).collect();
        soon("append", log.append(Stream::Events, records)).await??;
        soon("asking", log.latest(Stream::Events)).await??;
        for partition in 0..log.partitions() {
            let entries = everything(&*log, Stream::Events, partition).await?;
            let behind = entries.last().map_or(0, |last| last.position + 1);
            let end = log.end(Stream::Events, partition);
            assert_eq!(end, behind);
            let all = log.distance(log.start(Stream::Events, partition), end);
            for distance in [0, 1, all] {
                let distance = distance.min(all);
                assert_eq!(log.distance(log.back(end, distance), end), distance);
            }
        }
    }
    Ok(())
}

/// Before the start, in the middle, at the end and behind it; right after appending and after reopening.
pub async fn reads_from_anywhere(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let partition = partition_of("陈静".as_bytes(), log.partitions());
    let records = (0..250).map(|n| record("陈静", n, format!("第{n}次")));
    soon("append", log.append(Stream::Events, records.collect())).await??;
    let mut log = Some(log);
    for _ in 0..2 {
        let Some(open) = log.take() else { break };
        let entries = everything(&*open, Stream::Events, partition).await?;
        assert_eq!(sequences(&entries), (0..250).collect::<Vec<_>>());
        for (at, entry) in entries.iter().enumerate() {
            for max in [0, 1, 7, 1_000] {
                let read = soon("read", open.read(Stream::Events, partition, entry.position, max)).await??;
                assert_eq!(read.as_slice(), entries.iter().skip(at).take(max).cloned().collect::<Vec<_>>());
            }
        }
        let end = open.end(Stream::Events, partition);
        for behind in [end, end + 1, end + 1_000_000, u64::MAX] {
            assert_eq!(soon("read", open.read(Stream::Events, partition, behind, 10)).await??, []);
        }
        drop(open);
        log = Some(backend.open().await?);
    }
    Ok(())
}

/// Asked for many large records, it answers some of them at a time, and always at least one.
pub async fn answers_large_records_in_parts(backend: &dyn Backend) -> Result<()> {
    const RECORDS: u64 = 12;
    let log = backend.open().await?;
    let partition = partition_of("刘洋".as_bytes(), log.partitions());
    let large = |n| record("刘洋", n, vec![b'x'; MAX_RECORD_BYTES - 100]);
    soon("append", log.append(Stream::Raw, (0..RECORDS).map(large).collect())).await??;
    drop(log);
    let log = backend.open().await?;
    let first = soon("read", log.read(Stream::Raw, partition, 0, 1_000)).await??;
    assert!((1..RECORDS as usize / 2).contains(&first.len()), "{} records at once", first.len());
    assert_eq!(
        sequences(&everything(&*log, Stream::Raw, partition).await?),
        (0..RECORDS).collect::<Vec<_>>()
    );
    Ok(())
}
