//! The one task that looks after the connection and the streams: after every reconnect, whenever something answers
//! strangely, and now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::try_join_all;
use kernel::{Error, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::message::{MAX_BYTES, MORE_PAYLOAD, behind, first_position};
use super::shared::{Bounds, PATIENCE, Shared, Topic};
use super::streams::{self, Found};
use super::{Options, cursor};
use crate::Stream;

/// It looks at least so often.
const EVERY: Duration = Duration::from_secs(30);
/// Pauses between looks that fail.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// A stream that seems to be gone, or to have lost messages, is looked at once more after this time, lest an answer was
/// old.
const CERTAIN: Duration = Duration::from_secs(1);

/// A stream's newest number, and when it grew.
type Grown = Option<(u64, Option<Instant>)>;

/// Owns what is known about the connection.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    options: Options,
    /// Whether the connection came or went.
    events: UnboundedReceiver<bool>,
    up: bool,
    failures: u32,
    /// By stream, its newest number at the last look, and when it was last seen to have grown.
    grown: [Grown; 2],
}

impl Keeper {
    /// After [`begin`].
    pub(super) fn new(shared: Arc<Shared>, options: Options, events: UnboundedReceiver<bool>) -> Self {
        Self { shared, options, events, up: true, failures: 0, grown: [None; 2] }
    }

    /// Until the client is gone.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // While there is no connection, nothing but its return is waited for.
        let mut look = None;
        loop {
            let again = async { sleep_until(look.unwrap_or_else(Instant::now)).await };
            tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Some(up) if up == self.up => continue,
                    Some(up) => look = self.turned(up),
                    None => return,
                },
                () = again, if look.is_some() => {}
                () = shared.doubt.notified(), if self.up && look.is_none() => look = Some(Instant::now()),
                _ = tick.tick() => {
                    cursor::sweep(&shared);
                    look = look.or_else(|| self.up.then(Instant::now));
                }
            }
            if look.is_some_and(|at| at <= Instant::now()) {
                look = self.look().await;
            }
        }
    }

    /// The connection has come or gone; answers when to look at the streams.
    fn turned(&mut self, up: bool) -> Option<Instant> {
        self.up = up;
        self.failures = 1;
        if up {
            tracing::info!(servers = %self.shared.address, "connected to NATS again");
            return Some(Instant::now());
        }
        tracing::warn!(servers = %self.shared.address, "the connection to NATS is lost; connecting again");
        let trouble =
            format!("the event log is not connected to NATS at {}: check the server", self.shared.address);
        self.shared.link.send_modify(|link| link.trouble = Some(trouble));
        None
    }

    /// Looks at both streams, unless the connection turns meanwhile; answers when to look again.
    async fn look(&mut self) -> Option<Instant> {
        let shared = self.shared.clone();
        let looked = tokio::select! {
            event = self.events.recv() => return match event {
                Some(up) if up != self.up => self.turned(up),
                _ => Some(Instant::now()),
            },
            looked = timeout(PATIENCE, settle(&shared, &self.options, &mut self.grown)) => looked,
        };
        match looked
            .unwrap_or_else(|_| Err(Error::unavailable(format!("{} does not answer", shared.address))))
        {
            Ok(renumbered) => {
                // Without either, nothing has changed, and whoever works goes on.
                let recovered = std::mem::take(&mut self.failures) > 0 || renumbered;
                shared.link.send_if_modified(|link| {
                    link.epoch += u64::from(recovered);
                    link.trouble.take().is_some() || recovered
                });
                None
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                tracing::warn!(%error, "the event log's streams cannot be looked at; trying again");
                if self.failures > 1 {
                    shared.link.send_modify(|link| link.trouble = Some(error.message));
                }
                let [least, most] = PAUSES;
                Some(Instant::now() + (least * self.failures).min(most))
            }
        }
    }
}

/// Sees to it that both streams are there and go on; says whether positions come from other numbers now.
async fn settle(shared: &Shared, options: &Options, grown: &mut [Grown; 2]) -> Result<bool> {
    check_payload(shared)?;
    let mut renumbered = false;
    for (topic, grown) in shared.topics.iter().zip(grown) {
        let known = topic.known.load(Ordering::Acquire);
        let before = *grown;
        *grown = match before {
            None => Some((known, None)),
            Some((before, _)) if before != known => Some((known, Some(Instant::now()))),
            same => same,
        };
        let base = shared.link.borrow().base(topic.stream);
        let found = same(shared, options, topic, base, known).await?;
        if found.base != base {
            let trouble = format!("stream `{}` is being read anew", topic.name);
            shared.link.send_modify(|link| link.trouble = Some(trouble));
            renumber(shared, topic, &found).await?;
            renumbered = true;
        } else if was_purged(before, base + found.first, options.retention) {
            tracing::error!(
                stream = topic.name,
                "the stream was purged: records that were not read yet are lost"
            );
            // Said once.
            *grown = Some((known, None));
        }
        topic.begins_at(found.base + found.first);
    }
    Ok(renumbered)
}

/// Makes or finds both streams, for the first time.
pub(super) async fn begin(shared: &Shared, options: &Options) -> Result<()> {
    check_payload(shared)?;
    check_cluster(shared, options)?;
    for topic in &shared.topics {
        let found = match streams::find(&shared.context, &topic.name).await? {
            Some(found) => found,
            None => streams::create(&shared.context, options, topic.stream, 0).await?,
        };
        streams::check(options, topic.stream, &found)?;
        streams::adapt(&shared.context, options, topic.stream, &found).await?;
        renumber(shared, topic, &found).await?;
    }
    shared.link.send_modify(|link| link.trouble = None);
    Ok(())
}

/// The stream with numbers that go on from those known: as it is, made anew, or with a raised base.
async fn same(shared: &Shared, options: &Options, topic: &Topic, base: u64, known: u64) -> Result<Found> {
    let context = &shared.context;
    let mut found = streams::find(context, &topic.name).await?;
    if found.is_none() {
        // The server may still be deleting files, and would take those of the new stream along.
        sleep(CERTAIN).await;
        found = streams::find(context, &topic.name).await?;
    }
    let Some(found) = found else {
        tracing::error!(
            stream = topic.name,
            "the stream was deleted from the server, with every record in it; making it anew"
        );
        return streams::create(context, options, topic.stream, streams::base_above(known)).await;
    };
    streams::check(options, topic.stream, &found)?;
    let goes_on = |found: &Found| found.base >= base && found.base + found.last >= known;
    if goes_on(&found) {
        return Ok(found);
    }
    sleep(CERTAIN).await;
    let found = streams::find(context, &topic.name).await?.unwrap_or(found);
    if goes_on(&found) {
        return Ok(found);
    }
    tracing::error!(
        stream = topic.name,
        known,
        found = found.base + found.last,
        "the stream is shorter than it was: the server has lost its newest records, or was restored from a backup; all of \
         it is read again"
    );
    streams::rebase(context, options, &found, streams::base_above(known.max(found.base + found.last))).await
}

/// Takes the stream's numbers for those of our positions.
async fn renumber(shared: &Shared, topic: &Topic, found: &Found) -> Result<()> {
    let lasts = try_join_all(topic.partitions.iter().map(|partition| topic.last(partition))).await?;
    topic.known.fetch_max(found.base + found.last, Ordering::AcqRel);
    let start = first_position(found.base + found.first);
    for (partition, last) in topic.partitions.iter().zip(lasts) {
        let begin = match last {
            Some(last) => Bounds { start, end: behind(found.base + last) },
            // Never used: nobody's position is behind 0.
            None if found.base == 0 && found.first <= 1 => Bounds::default(),
            None => Bounds { start, end: start },
        };
        partition.bounds.send_modify(|bounds| {
            bounds.end = bounds.end.max(begin.end);
            bounds.start = bounds.start.max(begin.start).min(bounds.end);
        });
    }
    shared.link.send_modify(|link| {
        let at = Stream::ALL.iter().position(|stream| *stream == topic.stream);
        if let Some(base) = at.and_then(|at| link.bases.get_mut(at)) {
            *base = found.base;
        }
    });
    Ok(())
}

/// Whether the newest record of some moment is gone, and too young for that: then all before it are gone as well, whatever
/// has been appended since.
fn was_purged(before: Grown, first: u64, retention: Option<Duration>) -> bool {
    let Some((newest, Some(seen))) = before else { return false };
    // It had been there since the look before that, at the most.
    first > newest && retention.is_none_or(|retention| seen.elapsed() + EVERY < retention)
}

fn check_payload(shared: &Shared) -> Result<()> {
    let takes = shared.context.client().server_info().max_payload;
    if takes >= MAX_BYTES {
        return Ok(());
    }
    Err(Error::precondition(
        "LOG_PAYLOAD",
        format!(
            "the NATS server {} takes messages of {takes} bytes and the event log needs {MAX_BYTES}; {MORE_PAYLOAD}",
            shared.address
        ),
    ))
}

/// A server of its own takes a change to three replicas, and goes on keeping one.
fn check_cluster(shared: &Shared, options: &Options) -> Result<()> {
    if options.replicas == 1 || shared.context.client().server_info().cluster.is_some() {
        return Ok(());
    }
    Err(Error::precondition(
        "LOG_REPLICAS",
        format!(
            "common.bus.replicas = {} needs a cluster of that many NATS servers, and {} belongs to none; set it to 1, or \
             give the server a cluster",
            options.replicas, shared.address
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_records_that_are_gone_were_purged_and_old_ones_were_not() {
        let hour = Duration::from_secs(3_600);
        let seen_now = Some((7, Some(Instant::now())));
        for (first, gone) in [(3, false), (7, false), (8, true), (12, true)] {
            assert_eq!(was_purged(seen_now, first, Some(hour)), gone, "{first}");
            assert_eq!(was_purged(seen_now, first, None), gone, "{first}");
        }
        assert!(!was_purged(seen_now, 12, Some(EVERY)), "they may have grown old");
        for nothing_known in [None, Some((7, None))] {
            assert!(!was_purged(nothing_known, 12, Some(hour)));
        }
    }
}
