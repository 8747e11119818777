//! What every backend of the log must do, as tests that each backend runs with [`contract_tests!`](crate::contract_tests).
//!
//! A case answers an error when the log fails, and panics by assertion when it breaks the contract.

mod appending;
mod reading;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kernel::{Error, Result, Workspace};

pub use self::appending::{
    keeps_each_appenders_order, keeps_every_byte, keeps_one_key_in_one_partition, keeps_order,
    keeps_streams_apart, keeps_what_it_answered_for, refuses_large_records,
};
pub use self::reading::{
    answers_large_records_in_parts, is_empty_at_first, knows_its_latest_end, reads_from_anywhere,
};
pub use self::waiting::{follows_an_appender, wakes_everybody_at_the_end};

use crate::{Entry, Log, Record, Stream};

/// One place where a log is kept, empty at first.
pub trait Backend: Send + Sync {
    /// Opens the log there. Opened again after the one before was dropped, it shows what that one made durable.
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Log>>>;
}

/// Makes a module of tests: every case of the contract, each with a backend of its own from `$backend`.
#[macro_export]
macro_rules! contract_tests {
    ($name:ident, $backend:expr) => {
        $crate::contract_tests!(@cases $name, $backend;
            is_empty_at_first, keeps_order, keeps_one_key_in_one_partition, keeps_every_byte, keeps_streams_apart,
            keeps_each_appenders_order, keeps_what_it_answered_for, refuses_large_records, knows_its_latest_end,
            reads_from_anywhere,
            answers_large_records_in_parts, wakes_everybody_at_the_end, follows_an_appender);
    };
    (@cases $name:ident, $backend:expr; $($case:ident),+) => {
        mod $name {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() -> kernel::Result<()> {
                    $crate::contract::$case(&$backend).await
                }
            )+
        }
    };
}

/// Longer than any condition here takes.
const DEADLINE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(DEADLINE, future).await.map_err(|_| {
        Error::new(kernel::Kind::Deadline, "DEADLINE", format!("{what}: not within {DEADLINE:?}"))
    })
}

fn record(key: &str, sequence: u64, payload: impl Into<bytes::Bytes>) -> Record {
    Record {
        workspace: Workspace::new("demo"),
        key: key.to_owned().into(),
        producer: "ingest".into(),
        sequence,
        payload: payload.into(),
    }
}

/// Everything in a partition; checks what must hold of any reading.
async fn everything(log: &dyn Log, stream: Stream, partition: u32) -> Result<Vec<Entry>> {
    let (mut entries, mut from) = (Vec::<Entry>::new(), 0);
    loop {
        let more = soon("read", log.read(stream, partition, from, 100)).await??;
        let Some(last) = more.last() else { break };
        assert!(more.len() <= 100, "more than asked for");
        assert!(more.first().is_some_and(|first| first.position >= from), "an entry before {from}");
        assert!(more.is_sorted_by(|a, b| a.position < b.position), "positions must grow");
        assert!(last.position < log.end(stream, partition), "an entry behind the end");
        from = last.position + 1;
        entries.extend(more);
    }
    assert!(
        entries.iter().all(|entry| crate::partition_of(&entry.record.key, log.partitions()) == partition)
    );
    Ok(entries)
}

/// Everything in a stream, one partition after the other.
async fn all(log: &dyn Log, stream: Stream) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for partition in 0..log.partitions() {
        entries.extend(everything(log, stream, partition).await?);
    }
    Ok(entries)
}

fn sequences<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u64> {
    entries.into_iter().map(|entry| entry.record.sequence).collect()
}
