//! Looks at the log while a load runs, and notes when each event became visible there.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bus::{Log, Stream};
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::event::Event;

/// Entries read at a time.
const PAGE: usize = 1_000;

/// Reads the stream of events (one partition) until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    task: JoinSet<Result<()>>,
    next: watch::Receiver<u64>,
}

impl Watch {
    /// Shows every event from `from` on to `see`, with the moment at which it was read.
    pub(crate) fn start(
        log: Arc<dyn Log>,
        from: u64,
        mut see: impl FnMut(&Event, Instant) + Send + 'static,
    ) -> Self {
        let (progress, next) = watch::channel(from);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut next = from;
            loop {
                log.wait(Stream::Events, 0, next).await;
                let entries = log.read(Stream::Events, 0, next, PAGE).await?;
                let now = Instant::now();
                for entry in &entries {
                    see(&Event::decode(entry.record.payload.clone())?, now);
                    next = entry.position + 1;
                }
                progress.send_replace(next);
            }
        });
        Self { task, next }
    }

    /// Ends it and waits for that, so that what `see` holds is let go of.
    pub(crate) async fn stop(mut self) {
        self.task.shutdown().await;
    }

    /// Returns when everything before `end` was seen.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn until(&mut self, end: u64) -> Result<()> {
        tokio::select! {
            reached = self.next.wait_for(|next| *next >= end) => Ok(reached.map(|_| ())?),
            ended = self.task.join_next() => {
                ended.context("nobody watches")???;
                bail!("the watch ended")
            }
        }
    }
}
