//! Tests of this backend: the contract, with one and several partitions, and what only files can do.

mod damage;
mod disk;
mod keeping;
mod model;

use std::path::Path;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use kernel::{Result, Workspace};
use tempfile::TempDir;

use super::{EmbeddedLog, Options};
use crate::contract::Backend;
use crate::{Entry, Log, Record, Stream};

/// A folder of its own per test.
struct Folder {
    folder: TempDir,
    partitions: u32,
    segment_bytes: u64,
}

impl Folder {
    fn new(partitions: u32, segment_bytes: u64) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), partitions, segment_bytes }
    }
}

impl Backend for Folder {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Log>>> {
        let options =
            Options { partitions: self.partitions, segment_bytes: self.segment_bytes, ..Options::default() };
        async move { EmbeddedLog::open(self.folder.path(), options).map(|log| log as Arc<dyn Log>) }.boxed()
    }
}

crate::contract_tests!(one_partition, Folder::new(1, 64 << 20));
crate::contract_tests!(four_partitions, Folder::new(4, 64 << 20));
crate::contract_tests!(tiny_segments, Folder::new(2, 1_000));

fn record(sequence: u64) -> Record {
    Record {
        workspace: Workspace::new("demo"),
        key: "张伟".into(),
        producer: "ingest".into(),
        sequence,
        payload: format!("第{sequence}次浏览商品").into(),
    }
}

fn records(sequences: std::ops::Range<u64>) -> Vec<Record> {
    sequences.map(record).collect()
}

async fn read(log: &EmbeddedLog, from: u64) -> Vec<u64> {
    let entries: Vec<Entry> = log.read(Stream::Events, 0, from, 10_000).await.unwrap();
    entries.iter().map(|entry| entry.record.sequence).collect()
}

/// The files with that ending, oldest first.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    paths.sort();
    paths
}
