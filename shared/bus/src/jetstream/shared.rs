//! What appending, reading and keeping share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream as Handle};
use futures::future::try_join_all;
use kernel::{Error, Result};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::cursor::Cursor;
use super::{message, streams};
use crate::Stream;
use crate::tail::Tail;

/// Whoever asks or appends gets an answer within this time.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The state in memory.
pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) address: Address,
    pub(super) partitions: u32,
    pub(super) topics: [Topic; 2],
    pub(super) link: watch::Sender<Link>,
    /// Rung when something answers as if a stream were not there: the keeper looks.
    pub(super) doubt: Notify,
    pub(super) tail: Tail,
    /// Consumers on the server that nobody needs any more.
    pub(super) retired: mpsc::UnboundedSender<(Stream, String)>,
}

/// How things stand with the server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Grows whenever the connection has come back, or a stream turned out to be another one.
    pub(super) epoch: u64,
    /// By stream, what is added to the server's numbers of messages; see [`super::streams`].
    pub(super) bases: [u64; 2],
    /// Why nothing can be done now.
    pub(super) trouble: Option<String>,
}

/// One stream.
pub(super) struct Topic {
    pub(super) stream: Stream,
    /// Its name on the server.
    pub(super) name: String,
    pub(super) handle: Handle<()>,
    /// The highest number of a message that was heard of.
    pub(super) known: AtomicU64,
    /// Every partition's end covers messages up to this number.
    pub(super) seen: AtomicU64,
    pub(super) partitions: Vec<Partition>,
}

/// One partition of one stream.
pub(super) struct Partition {
    /// Its place in [`Tail`].
    pub(super) slot: usize,
    pub(super) subject: String,
    /// Whoever waits is woken by it.
    pub(super) bounds: watch::Sender<Bounds>,
    /// Touched whenever the feed has moved on, or has ended.
    pub(super) fed: watch::Sender<()>,
    /// Rung by who wants to follow.
    pub(super) wanted: Notify,
    pub(super) waiting: AtomicUsize,
    /// Whether somebody has read since the feed looked.
    pub(super) touched: AtomicBool,
    /// Readers of what is no longer in the tail.
    pub(super) cursors: Mutex<Vec<Cursor>>,
}

/// Where a partition begins and ends; both equal when it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Shared {
    pub(super) fn topic(&self, stream: Stream) -> &Topic {
        let [raw, events] = &self.topics;
        match stream {
            Stream::Raw => raw,
            Stream::Events => events,
        }
    }

    /// How things stand, as soon as something can be done; what is wrong when it takes longer than until `deadline`.
    pub(super) async fn usable(&self, stream: Stream, deadline: Instant) -> Result<Usable> {
        let mut changes = self.link.subscribe();
        let usable = |link: &Link| Usable { epoch: link.epoch, base: link.base(stream) };
        let waited = timeout_at(deadline, changes.wait_for(|link| link.trouble.is_none())).await;
        match waited {
            Ok(Ok(link)) => Ok(usable(&link)),
            Ok(Err(_)) | Err(_) => Err(Error::unavailable(self.trouble())),
        }
    }

    /// What is wrong, or that it took too long.
    pub(super) fn trouble(&self) -> String {
        let trouble = self.link.borrow().trouble.clone();
        trouble.unwrap_or_else(|| format!("the event log's server {} does not answer", self.address))
    }

    /// Returns when what was learnt in `epoch` may no longer hold.
    pub(super) async fn past(&self, epoch: u64) {
        let mut changes = self.link.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _past = changes.wait_for(|link| link.epoch != epoch).await.is_ok();
    }
}

/// What is needed to ask the server something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usable {
    pub(super) epoch: u64,
    pub(super) base: u64,
}

impl Link {
    pub(super) fn base(&self, stream: Stream) -> u64 {
        let [raw, events] = self.bases;
        match stream {
            Stream::Raw => raw,
            Stream::Events => events,
        }
    }
}

impl Topic {
    pub(super) fn partition(&self, partition: u32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// A message of that number is there.
    pub(super) fn note(&self, partition: &Partition, number: u64) {
        self.known.fetch_max(number, Ordering::AcqRel);
        let end = message::behind(number);
        partition.bounds.send_if_modified(|bounds| {
            let more = end > bounds.end;
            bounds.end = bounds.end.max(end);
            more
        });
    }

    /// Asks the server where the stream begins and every partition ends.
    pub(super) async fn look(&self, base: u64) -> Result<()> {
        let info = self.handle.get_info().await.map_err(|error| unanswered(&self.name, error))?;
        let last = base + info.state.last_sequence;
        if self.seen.load(Ordering::Acquire) != last {
            try_join_all(self.partitions.iter().map(|partition| self.look_at(partition, base))).await?;
            self.seen.store(last, Ordering::Release);
        }
        self.begins_at(base + streams::first(&info.state));
        Ok(())
    }

    /// What stands before the message of that number is gone.
    pub(super) fn begins_at(&self, number: u64) {
        for partition in &self.partitions {
            partition.begins_at(message::first_position(number));
        }
    }

    /// Asks the server where a partition ends; says whether anything is kept there.
    pub(super) async fn look_at(&self, partition: &Partition, base: u64) -> Result<bool> {
        let last = self.last(partition).await?;
        if let Some(last) = last {
            self.note(partition, base + last);
        }
        Ok(last.is_some())
    }

    /// The server's number of the last message of a partition.
    pub(super) async fn last(&self, partition: &Partition) -> Result<Option<u64>> {
        match self.handle.get_last_raw_message_by_subject(&partition.subject).await {
            Ok(last) => Ok(Some(last.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(unanswered(&self.name, error)),
        }
    }
}

impl Partition {
    pub(super) fn bounds(&self) -> Bounds {
        *self.bounds.borrow()
    }

    /// Everything before `start` is gone.
    pub(super) fn begins_at(&self, start: u64) {
        self.bounds.send_if_modified(|bounds| {
            let before = *bounds;
            bounds.start = bounds.start.max(start.min(bounds.end));
            *bounds != before
        });
    }

    /// Somebody follows this partition.
    pub(super) fn want(&self) {
        self.touched.store(true, Ordering::Release);
        self.wanted.notify_one();
    }
}

/// The server gave no answer about a stream.
pub(super) fn unanswered(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("JetStream cannot be asked about stream `{name}`: {error}")).caused_by(error)
}
