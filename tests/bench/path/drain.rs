//! A backlog: many events at once, and the time until every service has applied them and what they caused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use bus::Stream;
use tokio::time::Instant;
use wire::ingest::ingest_service_client::IngestServiceClient;

use super::CUSTOMERS;
use crate::data::{Events, ORDER_EVERY};
use crate::load::{self, Until, count};
use crate::site::{Site, ends};
use crate::usage::Parts;
use crate::watch::Watch;

const BATCH: u64 = 500;
const IN_FLIGHT: usize = 4;

/// One backlog.
#[derive(Debug)]
pub(crate) struct Run {
    /// Events sent.
    pub(crate) events: u64,
    /// Until ingest had acknowledged all.
    pub(crate) acknowledged: Duration,
    /// Until nothing was at work any more.
    pub(crate) applied: Duration,
    /// Processor seconds.
    pub(crate) cpu: f64,
    finished: BTreeMap<String, Duration>,
    /// The same by part.
    pub(crate) by_part: Parts,
}

impl Run {
    /// Events a second, all applied.
    pub(crate) fn rate(&self) -> f64 {
        count(self.events) / self.applied.as_secs_f64()
    }

    /// Events a second, acknowledged.
    pub(crate) fn acknowledged_rate(&self) -> f64 {
        count(self.events) / self.acknowledged.as_secs_f64()
    }

    /// When each worker was last seen at work, the latest first.
    pub(crate) fn finishes(&self) -> String {
        let mut finished: Vec<_> = self.finished.iter().collect();
        finished.sort_by_key(|(_, at)| std::cmp::Reverse(**at));
        let text = |(name, at): (&String, &Duration)| format!("{name} {:.2}", at.as_secs_f64());
        finished.into_iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// The worker that was last seen at work.
    pub(crate) fn slowest(&self) -> String {
        self.finished.iter().max_by_key(|(_, at)| **at).map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// Events that take about `time` at `rate`, in whole batches.
pub(crate) fn events_for(rate: f64, time: Duration) -> u64 {
    let batches = (rate * time.as_secs_f64() / count(BATCH)) as u64;
    batches.clamp(10, 200) * BATCH
}

/// Sends `events` events and waits until all is applied.
///
/// # Errors
/// When events or messages are missing.
pub(crate) async fn run<S: Site>(site: &S, label: &str, events: u64) -> Result<Run> {
    let before = ends(site.log(), Stream::Events).await?;
    let (cpu, by_part, begin) = (site.processor()?, site.processor_by_part()?, Instant::now());
    let done = send(site, label, events).await?;
    let mut finished = BTreeMap::new();
    let look = async {
        let mut ticks = tokio::time::interval(S::LOOK);
        loop {
            ticks.tick().await;
            for name in site.busy().await {
                finished.insert(name, begin.elapsed());
            }
        }
    };
    let rests = tokio::select! {
        settled = site.settled() => settled?,
        never = look => never,
    };
    let applied = rests - begin;
    let cpu = site.processor()? - cpu;
    let by_part = site.processor_by_part()?.since(&by_part);
    check(site, label, before, events).await?;
    Ok(Run { events, acknowledged: done.time, applied, cpu, finished, by_part })
}

/// Sends events in batches, as fast as they are acknowledged.
///
/// # Errors
/// When not all are accepted.
pub(crate) async fn send(site: &impl Site, label: &str, events: u64) -> Result<load::Done> {
    let client = IngestServiceClient::new(site.ingest()?);
    let source = Arc::new(Events::new(label, CUSTOMERS));
    let call = move |n: u64| {
        let (mut client, source) = (client.clone(), source.clone());
        async move {
            let answer = client.ingest_events(source.request(n * BATCH, BATCH)).await?.into_inner();
            ensure!(u64::from(answer.accepted) == BATCH, "not all was accepted: {answer:?}");
            Ok(())
        }
    };
    load::closed(IN_FLIGHT, Until::Calls(events / BATCH), call).await
}

async fn check(site: &impl Site, label: &str, from: Vec<u64>, events: u64) -> Result<()> {
    let (resolved, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ours = Events::new(label, CUSTOMERS);
    let mut watch = Watch::start(site.log(), from, {
        let (resolved, sent) = (resolved.clone(), sent.clone());
        move |event, _| {
            if ours.number(&event.id).is_some() {
                resolved.fetch_add(1, Ordering::Relaxed);
            } else if event.name == "message.sent" && ours.number(&event.cause_id).is_some() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    watch.until(&ends(site.log(), Stream::Events).await?).await?;
    let (resolved, sent) = (resolved.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    ensure!(resolved == events, "{events} events were sent and {resolved} resolved");
    ensure!(sent == events / ORDER_EVERY, "{} orders and {sent} messages", events / ORDER_EVERY);
    Ok(())
}
