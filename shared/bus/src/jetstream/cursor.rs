//! Reading what is no longer in memory: consumers on the server, one for each place where somebody reads on.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use futures::StreamExt;
use kernel::{Error, Kind, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::message::{self, behind, number_of};
use super::shared::{Partition, Shared, Topic, Usable, unanswered};
use crate::names::Names;
use crate::room::Room;
use crate::{Entry, Stream};

/// The server deletes a consumer that nobody has asked for so long.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Messages asked for at once, at least and at most …
const MESSAGES: [usize; 2] = [4, 512];
/// … and about so many bytes of them: what is not answered yet stays in memory, for each partition that is read.
const BYTES: usize = 1 << 20;
/// Cursors kept per partition.
const KEPT: usize = 4;
/// Milliseconds of pause before a read that was cut short is begun again: servers of a cluster answer for a stream or
/// consumer that was just made, or whose leader was just elected, a moment before they can serve it.
const AGAIN: [u64; 5] = [20, 50, 100, 200, 400];

/// Reads one partition on from some position.
pub(super) struct Cursor {
    usable: Usable,
    consumer: Consumer<Config>,
    /// How many messages the consumer has delivered.
    delivered: u64,
    /// The first position that was neither answered nor is pending.
    next: u64,
    pending: VecDeque<Entry>,
    /// Messages to ask for.
    ask: usize,
    names: Names,
    /// Why it cannot be read on with, once what is pending has been answered.
    failed: Option<Error>,
    /// Unused since the last sweep.
    idle: bool,
}

/// Entries at or behind `from`, at least up to `end` if they have room; nothing only when nothing is kept there.
pub(super) async fn read(
    shared: &Shared,
    topic: &Topic,
    partition: &Partition,
    (from, end): (u64, u64),
    max: usize,
    deadline: Instant,
) -> Result<Vec<Entry>> {
    let reading = async {
        let mut pauses = AGAIN.into_iter().map(Duration::from_millis);
        loop {
            let usable = shared.usable(topic.stream, deadline).await?;
            let mut cursor = match take(partition, from, usable.epoch) {
                Some(cursor) => cursor,
                None => Cursor::open(shared, topic, partition, from, usable).await?,
            };
            match (cursor.read(shared, topic, partition, (from, end), max).await, pauses.next()) {
                (Err(error), Some(pause)) if error.kind == Kind::Unavailable => {
                    retire(shared, topic, cursor);
                    sleep(pause).await;
                }
                (entries, _) => return Ok((cursor, entries?)),
            }
        }
    };
    let (cursor, entries) =
        timeout_at(deadline, reading).await.map_err(|_| Error::unavailable(shared.trouble()))??;
    if cursor.position() < partition.bounds().end && !entries.is_empty() {
        put_back(shared, topic, partition, cursor);
    } else {
        retire(shared, topic, cursor);
    }
    Ok(entries)
}

impl Cursor {
    async fn open(
        shared: &Shared,
        topic: &Topic,
        partition: &Partition,
        from: u64,
        usable: Usable,
    ) -> Result<Self> {
        let number = number_of(from).saturating_sub(usable.base).max(1);
        let consumer = consumer(shared, topic, partition, number).await?;
        let [least, _] = MESSAGES;
        Ok(Self {
            usable,
            consumer,
            delivered: 0,
            next: from,
            pending: VecDeque::new(),
            ask: least,
            names: Names::default(),
            failed: None,
            idle: false,
        })
    }

    /// The first position that was not answered.
    fn position(&self) -> u64 {
        self.pending.front().map_or(self.next, |first| first.position)
    }

    async fn read(
        &mut self,
        shared: &Shared,
        topic: &Topic,
        partition: &Partition,
        (from, end): (u64, u64),
        max: usize,
    ) -> Result<Vec<Entry>> {
        let mut room = Room::new(max);
        let mut entries = Vec::new();
        loop {
            while let Some(first) = self.pending.front() {
                if first.position >= from {
                    if !room.take(first) {
                        return Ok(entries);
                    }
                    entries.extend(self.pending.pop_front());
                } else {
                    self.pending.pop_front();
                }
            }
            if self.next >= end || room.is_full() {
                return Ok(entries);
            }
            match self.failed.take() {
                Some(error) if entries.is_empty() => return Err(error),
                Some(error) => {
                    self.failed = Some(error);
                    return Ok(entries);
                }
                None => {}
            }
            match self.fetch(topic, partition).await {
                Ok(true) => {}
                Ok(false) => {
                    self.gone(topic, partition, end).await?;
                    return Ok(entries);
                }
                Err(error) => {
                    if error.kind == Kind::Unavailable {
                        shared.doubt.notify_one();
                    }
                    self.failed = Some(error);
                }
            }
        }
    }

    /// Takes more messages from the server; says whether there were any.
    async fn fetch(&mut self, topic: &Topic, partition: &Partition) -> Result<bool> {
        let asked = self.consumer.fetch().max_messages(self.ask).messages().await;
        let mut messages = asked.map_err(|error| unanswered(&topic.name, error))?;
        let (mut count, mut bytes) = (0, 0);
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| strange(topic, &*error))?;
            let info = message.info().map_err(|error| strange(topic, &*error))?;
            if info.consumer_sequence != self.delivered + 1 {
                return Err(strange(topic, &"messages are missing"));
            }
            self.delivered += 1;
            let number = self.usable.base + info.stream_sequence;
            let entries = message::decode(number, &message.payload, &mut self.names);
            self.pending.extend(entries.map_err(|flaw| damaged(topic, info.stream_sequence, flaw))?);
            self.next = behind(number);
            topic.note(partition, number);
            count += 1;
            bytes += message.payload.len();
        }
        let [least, most] = MESSAGES;
        self.ask = (BYTES * count).checked_div(bytes).unwrap_or(least).clamp(least, most).min(self.ask * 2);
        Ok(count > 0)
    }

    /// There is nothing more, though the end lies farther: it was deleted, or the server's answer was old.
    async fn gone(&self, topic: &Topic, partition: &Partition, end: u64) -> Result<()> {
        let last = topic.last(partition).await?;
        if last.is_some_and(|last| behind(self.usable.base + last) > self.next) {
            return Err(strange(topic, &"messages were not delivered"));
        }
        partition.begins_at(end);
        Ok(())
    }
}

/// A consumer of one partition from the server's number `number` on.
pub(super) async fn consumer(
    shared: &Shared,
    topic: &Topic,
    partition: &Partition,
    number: u64,
) -> Result<Consumer<Config>> {
    let config = Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: number },
        ack_policy: AckPolicy::None,
        filter_subject: partition.subject.clone(),
        inactive_threshold: FORGOTTEN,
        num_replicas: 1,
        memory_storage: true,
        ..Config::default()
    };
    let made = shared.context.create_consumer_on_stream(config, topic.name.as_str()).await;
    made.map_err(|error| unanswered(&topic.name, error))
}

/// Consumers on the server that nobody needs any more.
pub(super) type Retired = UnboundedReceiver<(Stream, String)>;

/// Deletes consumers that nobody needs, until the log is dropped. Those that it fails to delete, the server forgets a
/// little later.
pub(super) async fn reap(shared: Arc<Shared>, mut retired: Retired) {
    while let Some((stream, consumer)) = retired.recv().await {
        let topic = shared.topic(stream);
        let usable = shared.link.borrow().trouble.is_none();
        if usable && let Err(error) = topic.handle.delete_consumer(&consumer).await {
            tracing::debug!(%error, stream = topic.name, consumer, "a consumer was not deleted");
        }
    }
}

/// Lets go of cursors that nobody has used for a while.
pub(super) fn sweep(shared: &Shared) {
    for topic in &shared.topics {
        for partition in &topic.partitions {
            let idle: Vec<_> = {
                let mut cursors = cursors(partition);
                let idle = cursors.extract_if(.., |cursor| std::mem::replace(&mut cursor.idle, true));
                idle.collect()
            };
            idle.into_iter().for_each(|cursor| retire(shared, topic, cursor));
        }
    }
}

fn take(partition: &Partition, from: u64, epoch: u64) -> Option<Cursor> {
    let mut cursors = cursors(partition);
    // The server has forgotten those of before.
    cursors.retain(|cursor| cursor.usable.epoch == epoch);
    let at = cursors.iter().position(|cursor| cursor.position() == from)?;
    Some(cursors.swap_remove(at))
}

fn put_back(shared: &Shared, topic: &Topic, partition: &Partition, mut cursor: Cursor) {
    cursor.idle = false;
    let oldest = {
        let mut cursors = cursors(partition);
        cursors.push(cursor);
        (cursors.len() > KEPT).then(|| cursors.remove(0))
    };
    if let Some(oldest) = oldest {
        retire(shared, topic, oldest);
    }
}

fn retire(shared: &Shared, topic: &Topic, cursor: Cursor) {
    // Unheard when the log is being dropped: the server forgets it by itself.
    let _unheard = shared.retired.send((topic.stream, cursor.consumer.cached_info().name.clone()));
}

fn cursors(partition: &Partition) -> MutexGuard<'_, Vec<Cursor>> {
    partition.cursors.lock().unwrap_or_else(PoisonError::into_inner)
}

fn strange(topic: &Topic, what: &dyn std::fmt::Display) -> Error {
    Error::unavailable(format!("reading stream `{}` was cut short: {what}; read again", topic.name))
}

/// The message is not what was sent.
pub(super) fn damaged(topic: &Topic, number: u64, flaw: &str) -> Error {
    Error::new(
        Kind::Internal,
        "LOG_DAMAGED",
        format!(
            "message {number} of stream `{name}` is none of the event log's: {flaw}; find who publishes to its subjects, and \
             give the message up with `nats stream rmm {name} {number}`",
            name = topic.name
        ),
    )
}
