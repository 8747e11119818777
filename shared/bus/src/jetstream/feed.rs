//! Following one partition, while somebody wants to: every message is taken from the server once for all who read in
//! this process, and wakes them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use kernel::Result;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::cursor::{consumer, damaged};
use super::message::{self, number_of};
use super::shared::{PATIENCE, Partition, Shared, Topic, Usable, unanswered};
use crate::Stream;
use crate::names::Names;

/// A partition is followed no longer when nobody has read or waited for so long, or a little more.
const IDLE: Duration = Duration::from_secs(60);
/// Messages asked for at once.
const MESSAGES: usize = 32;
/// How long the server keeps asking in mind, and how often it says that it does.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Pauses between attempts that fail.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Until the log is dropped.
pub(super) async fn run(shared: Arc<Shared>, stream: Stream, partition: u32) {
    let topic = shared.topic(stream);
    let Some(partition) = topic.partition(partition) else { return };
    loop {
        partition.wanted.notified().await;
        let mut failures = 0;
        while !is_idle(partition) || failures > 0 {
            match follow(&shared, topic, partition).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    tracing::debug!(%error, subject = partition.subject, "following was cut short; trying again");
                    failures += 1;
                    shared.doubt.notify_one();
                    let [least, most] = PAUSES;
                    sleep((least * failures).min(most)).await;
                }
            }
        }
    }
}

/// Follows until nobody wants to any more, or what was known no longer holds.
async fn follow(shared: &Shared, topic: &Topic, partition: &Partition) -> Result<()> {
    let usable = shared.usable(topic.stream, Instant::now() + PATIENCE).await?;
    tokio::select! {
        followed = take(shared, topic, partition, usable) => followed,
        () = shared.past(usable.epoch) => Ok(()),
    }
}

async fn take(shared: &Shared, topic: &Topic, partition: &Partition, usable: Usable) -> Result<()> {
    // From the very end on: what comes before it is no news, and whoever wants it reads it with a cursor.
    topic.look_at(partition, usable.base).await?;
    let from = partition.bounds().end;
    let number = number_of(from).saturating_sub(usable.base).max(1);
    let consumer = consumer(shared, topic, partition, number).await?;
    let asking = consumer.stream().max_messages_per_batch(MESSAGES).expires(EXPIRES).heartbeat(HEARTBEAT);
    let mut messages = asking.messages().await.map_err(|error| unanswered(&topic.name, error))?;
    let tail = Tail::begin(shared, partition, from);
    let mut names = Names::default();
    let mut delivered = 0;
    let mut tick = interval_at(Instant::now() + IDLE, IDLE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            _ = tick.tick() => {
                if is_idle(partition) {
                    let _unheard = shared.retired.send((topic.stream, consumer.cached_info().name.clone()));
                    return Ok(());
                }
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        let message = message.map_err(|error| unanswered(&topic.name, error))?;
        let Ok(info) = message.info() else { continue };
        delivered += 1;
        if info.consumer_sequence != delivered {
            return Ok(());
        }
        let number = usable.base + info.stream_sequence;
        let entries = message::decode(number, &message.payload, &mut names);
        // What follows cannot be shown without this one; reading it says what is wrong.
        let entries = entries.map_err(|flaw| {
            topic.note(partition, number);
            damaged(topic, info.stream_sequence, flaw)
        })?;
        shared.tail.extend(entries.into_iter().map(|entry| (tail.slot, entry)));
        topic.note(partition, number);
        partition.fed.send_replace(());
    }
}

/// Whether nobody has read since this was asked last, and nobody waits.
fn is_idle(partition: &Partition) -> bool {
    !partition.touched.swap(false, Ordering::AcqRel) && partition.waiting.load(Ordering::Acquire) == 0
}

/// Forgets the partition's tail when following ends.
struct Tail<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    slot: usize,
}

impl<'a> Tail<'a> {
    fn begin(shared: &'a Shared, partition: &'a Partition, from: u64) -> Self {
        shared.tail.begin(partition.slot, Some(from));
        partition.fed.send_replace(());
        Self { shared, partition, slot: partition.slot }
    }
}

impl Drop for Tail<'_> {
    fn drop(&mut self) {
        self.shared.tail.begin(self.slot, None);
        self.partition.fed.send_replace(());
    }
}
