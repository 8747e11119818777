//! Events that stand on the raw stream twice: two processes of ingest took the same one within moments, or one of them
//! gave up an append that came through later. Of each the first counts.
//!
//! What is remembered follows from the log alone, so that it is learnt again by whoever takes a partition over, and a
//! unit of work that is rolled back changes nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bus::{Log, Stream};
use chassis::fact;
use kernel::event_key::Hashing;
use kernel::{EventKey, Result};
use store::Delivery;
use tokio::sync::Mutex;

/// Events of a partition that are remembered: copies stand seconds apart.
const KEYS: usize = 200_000;
/// So much of the log, as [`Log::distance`] counts, is read by whoever takes a partition over.
const DISTANCE: u64 = 1_000;
/// Entries read at once.
const READ: usize = 1_000;

/// The events that came last, by partition.
#[derive(Debug)]
pub(crate) struct Repeats {
    log: Arc<dyn Log>,
    partitions: Mutex<BTreeMap<u32, Latest>>,
}

impl Repeats {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self { log, partitions: Mutex::default() }
    }

    /// The events of a batch without those that came before. A batch is of one partition.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn leave_out<'a>(&self, batch: &'a [Delivery]) -> Result<Vec<&'a Delivery>> {
        let Some(Delivery { partition, position, .. }) = batch.first() else { return Ok(Vec::new()) };
        let mut partitions = self.partitions.lock().await;
        let latest = partitions.entry(*partition).or_default();
        latest.catch_up(&*self.log, *partition, *position).await?;
        Ok(batch.iter().filter(|delivery| latest.is_first(delivery)).collect())
    }
}

/// The events of a partition that came last.
#[derive(Debug, Default)]
struct Latest {
    /// Where each came first.
    firsts: HashMap<EventKey, u64, Hashing>,
    /// The same, oldest first.
    order: VecDeque<EventKey>,
    /// Behind everything that was looked at.
    next: u64,
}

impl Latest {
    /// Looks at what stands in front of `position` and was not seen by this process.
    async fn catch_up(&mut self, log: &dyn Log, partition: u32, position: u64) -> Result<()> {
        let mut from = self.next.max(log.back(position, DISTANCE));
        // Usually nothing but a gap.
        let mut most = 1;
        while from < position {
            let entries = log.read(Stream::Raw, partition, from, most).await?;
            for entry in &entries {
                // What cannot be read was no event to anybody.
                if entry.position < position
                    && let Ok(delivery) = Delivery::read(partition, entry)
                {
                    self.is_first(&delivery);
                }
            }
            from = entries.last().map_or(position, |last| last.position + 1);
            most = READ;
        }
        Ok(())
    }

    /// Whether it has not come before.
    fn is_first(&mut self, delivery: &Delivery) -> bool {
        self.next = self.next.max(delivery.position + 1);
        let key = fact::key(&delivery.workspace, &delivery.event);
        let first = self.firsts.get(&key).copied();
        if first.is_none() {
            self.firsts.insert(key, delivery.position);
            self.order.push_back(key);
            if self.order.len() > KEYS
                && let Some(oldest) = self.order.pop_front()
            {
                self.firsts.remove(&oldest);
            }
        }
        // The same place again is another try.
        first.is_none_or(|first| first >= delivery.position)
    }
}
