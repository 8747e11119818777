//! Appending to one partition: what waits while messages are on their way becomes the next message.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kernel::{Error, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::message::{self, MORE_PAYLOAD};
use super::shared::{PATIENCE, Partition, Shared, Topic};
use crate::{Record, Stream};

/// So many messages of a partition are on their way at the same time. The callers whose records they hold do not wait
/// for each other, so their order is free; more would only make messages smaller.
const FLYING: usize = 4;
/// Pause before a message is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// What one caller wants to have appended, at most one message's worth.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) records: Vec<Record>,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<()>>,
    /// Its share of the queue, given back with the answer.
    pub(super) room: OwnedSemaphorePermit,
}

/// Serves parts until nobody can send any more and all are answered.
pub(super) async fn run(
    shared: Arc<Shared>,
    stream: Stream,
    partition: u32,
    mut parts: UnboundedReceiver<Part>,
) {
    let topic = shared.topic(stream);
    let Some(partition) = topic.partition(partition) else { return };
    let mut flying = FuturesUnordered::new();
    let mut kept = None;
    loop {
        let more = async {
            match kept.take() {
                Some(part) => Some(part),
                None => parts.recv().await,
            }
        };
        tokio::select! {
            Some(()) = flying.next() => {}
            part = more, if flying.len() < FLYING => match part {
                Some(part) => {
                    let group;
                    (group, kept) = gather(part, &mut parts);
                    flying.push(deliver(&shared, topic, partition, group));
                }
                None => break,
            }
        }
    }
    while flying.next().await.is_some() {}
}

/// The first part and what waits behind it, as far as one message takes it; and the part that no longer fits.
fn gather(first: Part, parts: &mut UnboundedReceiver<Part>) -> (Vec<Part>, Option<Part>) {
    let (mut records, mut bytes) = (first.records.len(), first.bytes);
    let mut group = vec![first];
    while let Ok(part) = parts.try_recv() {
        if !message::has_room(records, bytes, part.records.len(), part.bytes) {
            return (group, Some(part));
        }
        records += part.records.len();
        bytes += part.bytes;
        group.push(part);
    }
    (group, None)
}

/// Sends one message and answers everybody whose records it holds.
async fn deliver(shared: &Shared, topic: &Topic, partition: &Partition, mut group: Vec<Part>) {
    // Who has given up will append again.
    group.retain(|part| !part.answer.is_closed());
    if group.is_empty() {
        return;
    }
    let content = message::encode(group.iter().flat_map(|part| &part.records));
    for part in &mut group {
        part.records = Vec::new();
    }
    let sent = send(shared, topic, partition, content).await;
    if let Ok(number) = &sent {
        topic.note(partition, *number);
    }
    for part in group {
        let answer = sent.as_ref().map(|_| ()).map_err(|error| Error::unavailable(error.message.clone()));
        // Nobody listens when the caller went away.
        let _gone = part.answer.send(answer);
        drop(part.room);
    }
}

/// Sends until the server has answered, or time is up; answers the number of the message. A message may be kept more than
/// once: readers know repetitions.
async fn send(shared: &Shared, topic: &Topic, partition: &Partition, content: Bytes) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let usable = shared.usable(topic.stream, deadline).await?;
        let tried = tokio::select! {
            tried = timeout_at(deadline, publish(shared, partition, content.clone())) => tried,
            // The answer went with the connection.
            () = shared.past(usable.epoch) => continue,
        };
        let error = match tried {
            Ok(Ok(number)) => return Ok(usable.base + number),
            Ok(Err(error)) => error,
            Err(_) => return Err(unanswered(shared, topic, "no answer")),
        };
        match refusal(&error) {
            Some(remedy) => {
                return Err(Error::unavailable(format!(
                    "JetStream takes no record into `{}`: {error}: {remedy}",
                    topic.name
                )));
            }
            None if Instant::now() + PAUSE >= deadline => return Err(unanswered(shared, topic, &error)),
            None => {
                shared.doubt.notify_one();
                sleep_until(Instant::now() + PAUSE).await;
            }
        }
    }
}

async fn publish(shared: &Shared, partition: &Partition, content: Bytes) -> Result<u64, PublishError> {
    let acknowledged = shared.context.publish(partition.subject.clone(), content).await?;
    acknowledged.await.map(|acknowledged| acknowledged.sequence)
}

/// What to do about an answer that will not change by itself soon.
fn refusal(error: &PublishError) -> Option<&'static str> {
    const FULL: &str =
        "give the server more room (max_file_store, the disk), or shorten common.bus.retention";
    const FULL_CODES: [ErrorCode; 5] = [
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
        ErrorCode::STREAM_STORE_FAILED,
    ];
    let cause = std::error::Error::source(error)?;
    match cause.downcast_ref::<async_nats::jetstream::Error>() {
        Some(cause) if FULL_CODES.contains(&cause.error_code()) => Some(FULL),
        _ if error.kind() == PublishErrorKind::MaxPayloadExceeded => Some(MORE_PAYLOAD),
        _ => None,
    }
}

fn unanswered(shared: &Shared, topic: &Topic, why: impl std::fmt::Display) -> Error {
    let trouble = shared.link.borrow().trouble.clone();
    Error::unavailable(trouble.unwrap_or_else(|| {
        format!(
            "JetStream at {} did not take a record to `{}` within {} s: {why}; it may be kept all the same",
            shared.address,
            topic.name,
            PATIENCE.as_secs()
        )
    }))
}
