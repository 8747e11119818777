//! The gate over a log that refuses.

use bus::embedded::{EmbeddedLog, Options};
use bus::{Entry, Log, Record, Stream};
use futures::future::{BoxFuture, FutureExt as _};
use std::sync::atomic::AtomicU32;
use store::DatabaseConfig;
use tokio::task::JoinSet;

use super::*;

/// Appends, and then says that it did not, `lies` times.
#[derive(Debug)]
struct Liar {
    log: Arc<EmbeddedLog>,
    lies: AtomicU32,
}

impl Log for Liar {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        async move {
            self.log.append(stream, records).await?;
            let lying =
                self.lies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if lying { Err(Error::unavailable("disk")) } else { Ok(()) }
        }
        .boxed()
    }

    fn read(
        &self,
        stream: Stream,
        partition: u32,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.log.read(stream, partition, from, max)
    }

    fn end(&self, stream: Stream, partition: u32) -> u64 {
        self.log.end(stream, partition)
    }

    fn start(&self, stream: Stream, partition: u32) -> u64 {
        self.log.start(stream, partition)
    }

    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()> {
        self.log.wait(stream, partition, position)
    }
}

async fn gate(folder: &std::path::Path, lies: u32) -> (Arc<Admission>, Arc<dyn Log>) {
    let log =
        EmbeddedLog::open(&folder.join("log"), Options { partitions: 2, ..Options::default() }).unwrap();
    let url = format!("sqlite:{}", folder.join("t.db").display());
    let config = DatabaseConfig::new(url);
    let db = Database::open("ingest", &config, crate::store::migration::all, &Clock::system()).await.unwrap();
    let gate = Admission {
        state: Mutex::new(State {
            seen: Seen::default(),
            queue: VecDeque::new(),
            tickets: HashMap::new(),
            next_ticket: 0,
            unflushed: Vec::new(),
            unflushed_since: Time(0),
            place: Place { next: vec![0, 0], sequence: 100 },
        }),
        wake: Notify::new(),
        late: AtomicBool::new(false),
        producer: super::super::writer::PRODUCER.into(),
        db,
        clock: Clock::warped(Time::from_seconds(1_795_226_400)).0,
        flush: Alarm::default(),
        window_days: 7,
        flush_after: Duration::from_secs(10),
        flush_events: 1_000,
        room: Arc::new(Semaphore::new(1 << 20)),
        room_bytes: 1 << 20,
    };
    (Arc::new(gate), Arc::new(Liar { log, lies: AtomicU32::new(lies) }))
}

fn drafts(ids: &[String]) -> Vec<Draft> {
    let draft = |id: &String| Draft {
        seen: EventKey::new(&Workspace::new("demo"), "web", id),
        key: Bytes::copy_from_slice(id.as_bytes()),
        payload: Bytes::copy_from_slice(id.as_bytes()),
    };
    ids.iter().map(draft).collect()
}

async fn admit(gate: &Admission, ids: &[String]) -> Result<(u32, u32)> {
    gate.admit(&Workspace::new("demo"), drafts(ids), Time::from_seconds(1_795_226_400)).await
}

async fn entries(log: &dyn Log, partition: u32) -> Vec<Entry> {
    log.read(Stream::Raw, partition, 0, 100_000).await.unwrap()
}

#[tokio::test]
async fn a_log_that_refused_is_asked_again_under_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, log) = gate(folder.path(), 1).await;
    let mut writer = JoinSet::new();
    writer.spawn(gate.clone().write(log.clone()));
    let ids = ["m1".to_owned(), "m2".to_owned()];
    // The caller hears at once that it is not done …
    assert_eq!(admit(&gate, &ids).await.unwrap_err().kind, Kind::Unavailable);
    // … sends the same again until it is, and it counts as sent before.
    let answer = loop {
        match admit(&gate, &ids).await {
            Ok(answer) => break answer,
            Err(error) => assert_eq!(error.kind, Kind::Unavailable),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer, (0, 2));
    let mut all = entries(&*log, 0).await;
    all.extend(entries(&*log, 1).await);
    let mut numbers: Vec<u64> = all.iter().map(|entry| entry.record.sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [101, 101, 102, 102]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_reach_every_partition_in_their_order_whoever_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, log) = gate(folder.path(), 0).await;
    let mut writer = JoinSet::new();
    writer.spawn(gate.clone().write(log.clone()));
    let mut callers = JoinSet::new();
    for caller in 0..32 {
        let gate = gate.clone();
        callers.spawn(async move {
            let mut fresh = 0;
            for round in 0..20 {
                // Every second id is also brought by the neighbour.
                let ids: Vec<String> = (0..6)
                    .map(|n| format!("{}-{round}-{n}", if n % 2 == 0 { caller / 2 } else { 100 + caller }))
                    .collect();
                let (new, old) = admit(&gate, &ids).await.unwrap();
                assert_eq!(new + old, 6);
                fresh += new;
            }
            fresh
        });
    }
    let fresh: u32 = callers.join_all().await.iter().sum();
    assert_eq!(fresh, (32 * 3 + 16 * 3) * 20);
    let mut count = 0;
    for partition in 0..2 {
        let entries = entries(&*log, partition).await;
        assert!(entries.iter().map(|entry| entry.record.sequence).is_sorted_by(|a, b| a < b));
        count += entries.len();
    }
    assert_eq!(u32::try_from(count).unwrap(), fresh);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_events_to_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, log) = gate(folder.path(), 0).await;
    let ids = ["m1".to_owned()];
    // Polled once and dropped: queued, not written.
    assert!(admit(&gate, &ids).now_or_never().is_none());
    let mut writer = JoinSet::new();
    writer.spawn(gate.clone().write(log.clone()));
    assert_eq!(admit(&gate, &ids).await.unwrap(), (0, 1));
    assert_eq!(gate.lock().tickets.len(), 0);
    assert_eq!(gate.room.available_permits(), 1 << 20);
}
