//! The log on NATS JetStream, for many processes on many machines.
//!
//! One JetStream stream for each of ours, a subject for each partition, and in each message many records of one
//! partition (`message`). Positions follow from the server's numbers of messages, so that every process sees the
//! same. What a process appends, waits in one `lane` per partition; what it follows, comes by one `feed` per
//! partition into memory for all who read; what lies further back is read with a `cursor`. The `keeper` looks after
//! connection and streams.
//!
//! **Durability.** JetStream answers when a message is in its files, which by default are synced every two minutes:
//! what was answered survives `kill -9` of the server, and not a power cut. In production it must be one of
//! - three replicas (`common.bus.replicas = 3` on a cluster of three servers or more): the answer then means that a
//!   majority has it; or
//! - `sync_interval: always` in the configuration of a single server, which nats-server has from 2.10 on.
//!
//! **Outages.** The connection is made again for ever. Appends and reads wait for it, and answer
//! [`kernel::Kind::Unavailable`] after five seconds; who waits for records is woken by the first that comes afterwards.
//! A server that restarts keeps all positions. A stream that was deleted is made anew, one that lost its newest records
//! is read anew from its start, both with an error in the log; positions only grow all the same (see `streams`).

mod address;
mod connect;
mod cursor;
mod feed;
mod keeper;
mod lane;
mod message;
mod shared;
mod streams;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, pending, ready, try_join_all};
use kernel::{Error, Result, Secret};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use self::lane::Part;
use self::shared::{PATIENCE, Partition, Shared, Topic};
use crate::room::Room;
use crate::size::{check, weight};
use crate::{Entry, Log, Record, Stream, partition_of};

/// Bytes of records that wait to be kept, at the most; who brings more waits before.
const QUEUE_BYTES: u32 = 64 << 20;
/// Each partition has a subject, a lane and a feed of its own.
const MAX_PARTITIONS: u32 = 1024;

/// Where the log is, and how it is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// `nats://user:password@host:4222`, several servers of one cluster with a comma between them. A user without
    /// password is a token; `tls://` insists on TLS, which is spoken anyhow when the server asks for it.
    pub url: Secret,
    /// What the names of streams and subjects begin with: letters, digits, `-` and `_`.
    pub prefix: String,
    /// Partitions of every stream, 1 to 1024; fixed once the streams have been made.
    pub partitions: u32,
    /// Servers that keep each stream: 1, 3 or 5.
    pub replicas: usize,
    /// Older records are deleted; `None` keeps everything.
    pub retention: Option<Duration>,
    /// PEM file of the authorities that the server's certificate is verified with; the machine's own without it.
    pub authority: Option<PathBuf>,
    /// PEM files of the certificate and the private key that prove to the server who we are.
    pub client: Option<(PathBuf, PathBuf)>,
    /// File with the credentials (JWT and seed) that the operator of the servers has given out.
    pub credentials: Option<PathBuf>,
}

impl Default for Options {
    /// A server on this machine, prefix `guanxi`, one partition, one replica, kept for 8 days.
    fn default() -> Self {
        Self {
            url: Secret::new("nats://127.0.0.1:4222".to_owned()),
            prefix: "guanxi".to_owned(),
            partitions: 1,
            replicas: 1,
            retention: Some(Duration::from_secs(8 * 86_400)),
            authority: None,
            client: None,
            credentials: None,
        }
    }
}

/// The log on a NATS server or cluster.
///
/// Dropping it cuts off what is being appended; [`JetStreamLog::close`] finishes it.
pub struct JetStreamLog {
    shared: Arc<Shared>,
    /// By slot; empty once closed.
    lanes: Mutex<Vec<mpsc::UnboundedSender<Part>>>,
    /// Room in the queue, in bytes.
    room: Arc<Semaphore>,
    /// Those of the lanes end when nobody can append any more.
    appending: tokio::sync::Mutex<JoinSet<()>>,
    _looking: JoinSet<()>,
}

impl JetStreamLog {
    /// Connects, and makes the streams if they are not there.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for options that cannot be; [`kernel::Kind::Unavailable`] when no server answers within
    /// five seconds, or a cluster has not agreed on who leads it within twenty-five; [`kernel::Kind::Precondition`] when
    /// the server refuses us, runs without JetStream or takes no messages of 2 MiB, when fewer servers than there are to
    /// be replicas have come up within that time, or when the streams were made with another number of partitions or by
    /// somebody else.
    pub async fn connect(options: Options) -> Result<Arc<Self>> {
        validate(&options)?;
        let (shared, keeper, retired) = connect::open(options).await?;
        let (mut appending, mut looking) = (JoinSet::new(), JoinSet::new());
        let mut lanes = Vec::new();
        looking.spawn(keeper.run());
        looking.spawn(cursor::reap(shared.clone(), retired));
        for stream in Stream::ALL {
            for partition in 0..shared.partitions {
                let (lane, parts) = mpsc::unbounded_channel();
                lanes.push(lane);
                appending.spawn(lane::run(shared.clone(), stream, partition, parts));
                looking.spawn(feed::run(shared.clone(), stream, partition));
            }
        }
        Ok(Arc::new(Self {
            shared,
            lanes: Mutex::new(lanes),
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            appending: tokio::sync::Mutex::new(appending),
            _looking: looking,
        }))
    }

    /// Finishes what was accepted, within five seconds at the most; later appends are refused. Reading goes on.
    pub async fn close(&self) {
        lock(&self.lanes).clear();
        let mut appending = self.appending.lock().await;
        while appending.join_next().await.is_some() {}
    }

    /// Records of one partition, one message after the other: had a later one been kept where an earlier one failed,
    /// repeating them would not bring the earlier ones back.
    async fn append_to(&self, slot: usize, records: Vec<Record>) -> Result<()> {
        for part in message::cut(records) {
            let deadline = Instant::now() + PATIENCE;
            let late = |_| Error::unavailable(self.shared.trouble());
            let bytes = part.iter().map(weight).sum();
            let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(QUEUE_BYTES);
            let room = timeout_at(deadline, self.room.clone().acquire_many_owned(share)).await;
            let room = room.map_err(late)?.map_err(|_| closed())?;
            let (answer, answered) = oneshot::channel();
            let part = Part { records: part, bytes, answer, room };
            if lock(&self.lanes).get(slot).is_none_or(|lane| lane.send(part).is_err()) {
                return Err(closed());
            }
            timeout_at(deadline, answered).await.map_err(late)?.unwrap_or_else(|_| Err(closed()))?;
        }
        Ok(())
    }

    async fn read_from(
        &self,
        topic: &Topic,
        partition: &Partition,
        from: u64,
        max: usize,
    ) -> Result<Vec<Entry>> {
        let deadline = Instant::now() + PATIENCE;
        partition.touched.store(true, Ordering::Release);
        loop {
            let mut fed = partition.fed.subscribe();
            let bounds = partition.bounds();
            let from = from.max(bounds.start);
            if from >= bounds.end || max == 0 {
                return Ok(Vec::new());
            }
            let mut room = Room::new(max);
            let recent = self.shared.tail.read(partition.slot, from, bounds.end, |entry| room.take(entry));
            match recent {
                Some(entries) if !entries.is_empty() => return Ok(entries),
                // Appended, and on its way back to us.
                Some(_) => {
                    let moved = timeout_at(deadline, fed.changed()).await;
                    // The sender lives in `partition`.
                    let _moved = moved.map_err(|_| Error::unavailable(self.shared.trouble()))?;
                }
                None => {
                    let ends = (from, bounds.end);
                    return cursor::read(&self.shared, topic, partition, ends, max, deadline).await;
                }
            }
        }
    }

    fn partition(&self, stream: Stream, partition: u32) -> Option<(&Topic, &Partition)> {
        let topic = self.shared.topic(stream);
        topic.partition(partition).map(|partition| (topic, partition))
    }
}

impl Log for JetStreamLog {
    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        async move {
            check(&records)?;
            let topic = self.shared.topic(stream);
            let mut by_partition: Vec<Vec<Record>> = topic.partitions.iter().map(|_| Vec::new()).collect();
            for record in records {
                let partition = partition_of(&record.key, self.shared.partitions);
                if let Some(records) = by_partition.get_mut(partition as usize) {
                    records.push(record);
                }
            }
            let parts = topic.partitions.iter().zip(by_partition).filter(|(_, records)| !records.is_empty());
            try_join_all(parts.map(|(partition, records)| self.append_to(partition.slot, records))).await?;
            Ok(())
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
        match self.partition(stream, partition) {
            Some((topic, partition)) => self.read_from(topic, partition, from, max).boxed(),
            None => {
                let wrong = format!("{partition} is not there; the log has {}", self.shared.partitions);
                ready(Err(Error::invalid("partition", wrong))).boxed()
            }
        }
    }

    fn end(&self, stream: Stream, partition: u32) -> u64 {
        self.partition(stream, partition).map_or(0, |(_, partition)| partition.bounds().end)
    }

    fn distance(&self, from: u64, to: u64) -> u64 {
        message::number_of(to).saturating_sub(message::number_of(from))
    }

    fn back(&self, position: u64, distance: u64) -> u64 {
        message::first_position(message::number_of(position).saturating_sub(distance))
    }

    fn start(&self, stream: Stream, partition: u32) -> u64 {
        self.partition(stream, partition).map_or(0, |(_, partition)| partition.bounds().start)
    }

    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()> {
        let Some((_, partition)) = self.partition(stream, partition) else { return pending().boxed() };
        async move {
            let _waiting = Waiting::new(&partition.waiting);
            partition.want();
            let mut changes = partition.bounds.subscribe();
            // The sender lives in `self`: this cannot fail.
            let _reached =
                changes.wait_for(|bounds| bounds.end > position && bounds.end > bounds.start).await.is_ok();
        }
        .boxed()
    }

    fn latest(&self, stream: Stream) -> BoxFuture<'_, Result<()>> {
        async move {
            let deadline = Instant::now() + PATIENCE;
            let usable = self.shared.usable(stream, deadline).await?;
            let looked = timeout_at(deadline, self.shared.topic(stream).look(usable.base)).await;
            looked.unwrap_or_else(|_| Err(Error::unavailable(self.shared.trouble())))
        }
        .boxed()
    }

    fn healthy(&self) -> Result<()> {
        match &self.shared.link.borrow().trouble {
            Some(trouble) => Err(Error::unavailable(trouble.clone())),
            None if lock(&self.lanes).is_empty() => Err(closed()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for JetStreamLog {
    /// No content: it is about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLog").field("servers", &self.shared.address).finish_non_exhaustive()
    }
}

/// Counts who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn validate(options: &Options) -> Result<()> {
    if !(1..=MAX_PARTITIONS).contains(&options.partitions) {
        let wrong = format!("{} is not possible; choose 1 to {MAX_PARTITIONS}", options.partitions);
        return Err(Error::invalid("partitions", wrong));
    }
    if ![1, 3, 5].contains(&options.replicas) {
        return Err(Error::invalid(
            "replicas",
            format!("{} is not possible; choose 1, 3 or 5", options.replicas),
        ));
    }
    let may = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if options.prefix.is_empty() || options.prefix.len() > 64 || !options.prefix.chars().all(may) {
        let wrong = format!("`{}` is not possible; choose up to 64 of a-z, 0-9, `-` and `_`", options.prefix);
        return Err(Error::invalid("prefix", wrong));
    }
    if options.retention.is_some_and(|retention| retention < Duration::from_secs(1)) {
        return Err(Error::invalid("retention", "is less than a second; nothing would be kept"));
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error {
    Error::unavailable("the event log is closed: the process is shutting down")
}
