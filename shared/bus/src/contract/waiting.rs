//! Waiting for more.

use futures::FutureExt;
use futures::future::join_all;
use kernel::{Error, Result};
use tokio::task::JoinSet;

use super::{Backend, record, sequences, soon};
use crate::{Stream, partition_of};

/// Waiting ends with the record that is waited for, for everybody, and not with records elsewhere.
pub async fn wakes_everybody_at_the_end(backend: &dyn Backend) -> Result<()> {
    let log = backend.open().await?;
    let partition = partition_of("赵敏".as_bytes(), log.partitions());
    let end = log.end(Stream::Events, partition);
    let mut waiting = join_all((0..100).map(|_| log.wait(Stream::Events, partition, end))).boxed();
    let mut farther = log.wait(Stream::Events, partition, end + 1_000_000_000);
    let mut elsewhere = log.wait(Stream::Raw, partition, log.end(Stream::Raw, partition));
    assert!((&mut waiting).now_or_never().is_none(), "woken before anything was appended");

    soon("append", log.append(Stream::Events, vec![record("赵敏", 1, "领券")])).await??;
    soon("waking", &mut waiting).await?;
    assert_eq!(sequences(&soon("read", log.read(Stream::Events, partition, end, 10)).await??), [1]);
    soon("waiting for what is there", log.wait(Stream::Events, partition, end)).await?;
    assert!((&mut farther).now_or_never().is_none(), "woken too early");
    assert!((&mut elsewhere).now_or_never().is_none(), "woken by another stream");

    soon("append", log.append(Stream::Raw, vec![record("赵敏", 2, "核销")])).await??;
    soon("waking", elsewhere).await
}

/// Who waits and reads in turn sees every record once and in order, while it is being appended.
pub async fn follows_an_appender(backend: &dyn Backend) -> Result<()> {
    const RECORDS: u64 = 400;
    let log = backend.open().await?;
    let partition = partition_of("周杰".as_bytes(), log.partitions());
    let mut appender = JoinSet::new();
    let appending = log.clone();
    appender.spawn(async move {
        for n in 0..RECORDS {
            appending.append(Stream::Events, vec![record("周杰", n, "心跳")]).await?;
        }
        Ok::<_, Error>(())
    });
    let (mut seen, mut next) = (Vec::new(), log.start(Stream::Events, partition));
    while (seen.len() as u64) < RECORDS {
        soon("waking", log.wait(Stream::Events, partition, next)).await?;
        let entries = soon("read", log.read(Stream::Events, partition, next, 7)).await??;
        assert!(!entries.is_empty(), "woken, and nothing to read");
        next = entries.last().map_or(next, |last| last.position + 1);
        seen.extend(sequences(&entries));
    }
    assert_eq!(seen, (0..RECORDS).collect::<Vec<_>>());
    while let Some(ended) = appender.join_next().await {
        ended.map_err(|error| Error::internal(error.to_string()))??;
    }
    Ok(())
}
