//! Tests of this backend on real servers: the contract, with one and several partitions, and what only a server can do.

mod cluster;
#[path = "../../../testkit/src/nats.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "testkit's file: it cannot be depended on here, for it depends on this crate"
)]
mod nats;
mod outages;
#[path = "../../../testkit/src/port.rs"]
#[expect(unreachable_pub, reason = "testkit's file, which the one above needs")]
mod port;
mod refusals;
mod sharing;
mod streams;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use kernel::{Result, Secret, Workspace};
use tokio::task::JoinSet;

use self::nats::NatsServer;
use super::{JetStreamLog, Options};
use crate::contract::Backend;
use crate::{Entry, Log, Record, Stream};

/// Longer than anything here takes, electing a leader included.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at what has no event of its own.
const TICK: Duration = Duration::from_millis(10);

/// A server, and names of its own on it.
struct Place {
    server: NatsServer,
    options: Options,
}

impl Place {
    fn new(partitions: u32) -> Self {
        Self::on(NatsServer::start().unwrap(), partitions)
    }

    fn on(server: NatsServer, partitions: u32) -> Self {
        let options = Options {
            url: Secret::new(server.url()),
            prefix: NatsServer::prefix(),
            partitions,
            ..Options::default()
        };
        Self { server, options }
    }

    async fn log(&self) -> Arc<JetStreamLog> {
        JetStreamLog::connect(self.options.clone()).await.unwrap()
    }
}

impl Backend for Place {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Log>>> {
        let options = self.options.clone();
        async move { JetStreamLog::connect(options).await.map(|log| log as Arc<dyn Log>) }.boxed()
    }
}

crate::contract_tests!(one_partition, Place::on(NatsServer::given_or_start()?, 1));
crate::contract_tests!(four_partitions, Place::on(NatsServer::given_or_start()?, 4));

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

async fn append(log: &JetStreamLog, sequences: std::ops::Range<u64>) {
    soon(log.append(Stream::Events, records(sequences))).await.unwrap();
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("not in time")
}

/// Waits for what has no event of its own.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let (begin, mut ticks) = (tokio::time::Instant::now(), tokio::time::interval(TICK));
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what}: not in time");
        ticks.tick().await;
    }
}

/// Appends without end, whatever is refused.
struct Appending {
    tasks: JoinSet<()>,
    answered: Arc<Mutex<Vec<u64>>>,
}

impl Appending {
    fn begin(log: &Arc<JetStreamLog>) -> Self {
        let (mut tasks, answered) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
        for worker in 0..4_u64 {
            let (log, answered) = (log.clone(), answered.clone());
            tasks.spawn(async move {
                let mut n = worker * 1_000_000;
                loop {
                    if log.append(Stream::Events, records(n..n + 3)).await.is_ok() {
                        answered.lock().unwrap().extend(n..n + 3);
                        n += 3;
                    }
                }
            });
        }
        Self { tasks, answered }
    }

    /// Waits until so many more are answered.
    async fn goes_on(&self, more: usize) {
        let count = || self.answered.lock().unwrap().len();
        let before = count();
        until("appending goes on", || count() > before + more).await;
    }

    /// Ends, and gives what was answered.
    async fn end(mut self) -> Vec<u64> {
        self.tasks.shutdown().await;
        std::mem::take(&mut self.answered.lock().unwrap())
    }
}

fn assert_nothing_lost(answered: &[u64], mut kept: Vec<u64>) {
    kept.sort_unstable();
    let lost: Vec<_> = answered.iter().filter(|sequence| kept.binary_search(sequence).is_err()).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), answered.len());
}

/// Everything from a position on.
async fn entries(log: &JetStreamLog, mut from: u64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let more = soon(log.read(Stream::Events, 0, from, 10_000)).await.unwrap();
        let Some(last) = more.last() else { return entries };
        from = last.position + 1;
        entries.extend(more);
    }
}

async fn read(log: &JetStreamLog, from: u64) -> Vec<u64> {
    entries(log, from).await.iter().map(|entry| entry.record.sequence).collect()
}
