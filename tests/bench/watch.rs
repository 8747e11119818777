//! Looks at the log while a load runs, and notes when each event became visible there.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use bus::{Log, Stream};
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::event::Event;

/// Entries read at a time.
const PAGE: usize = 1_000;

/// Reads the stream of events until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    tasks: JoinSet<Result<()>>,
    /// By partition.
    next: Vec<watch::Receiver<u64>>,
}

impl Watch {
    /// Shows every event from `from` on (by partition) to `see`, with the moment at which it was read.
    pub(crate) fn start(
        log: &Arc<dyn Log>,
        from: Vec<u64>,
        see: impl FnMut(&Event, Instant) + Send + 'static,
    ) -> Self {
        let (mut tasks, mut progress, see) = (JoinSet::new(), Vec::new(), Arc::new(Mutex::new(see)));
        for (partition, from) in (0..).zip(from) {
            let (said, next) = watch::channel(from);
            progress.push(next);
            let (log, see) = (log.clone(), see.clone());
            tasks.spawn(async move {
                let mut next = from;
                loop {
                    log.wait(Stream::Events, partition, next).await;
                    let entries = log.read(Stream::Events, partition, next, PAGE).await?;
                    let now = Instant::now();
                    for entry in &entries {
                        let event = Event::decode(entry.record.payload.clone())?;
                        see.lock().unwrap_or_else(PoisonError::into_inner)(&event, now);
                        next = entry.position + 1;
                    }
                    said.send_replace(next);
                }
            });
        }
        Self { tasks, next: progress }
    }

    /// Ends it and waits for that, so that what `see` holds is let go of.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    /// Returns when everything before these ends was seen.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn until(&mut self, ends: &[u64]) -> Result<()> {
        for (next, end) in self.next.iter_mut().zip(ends) {
            tokio::select! {
                reached = next.wait_for(|next| next >= end) => drop(reached?),
                ended = self.tasks.join_next() => {
                    ended.context("nobody watches")???;
                    bail!("the watch ended")
                }
            }
        }
        Ok(())
    }
}
