//! Two kinds of load: closed (each caller waits for its answer) for peaks, open (calls come when they are due, answered
//! or not) for latency.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a closed load did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Calls answered.
    pub(crate) calls: u64,
    /// From the first call to the last answer.
    pub(crate) time: Duration,
}

impl Done {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.calls) / self.time.as_secs_f64()
    }
}

/// A count as a floating-point number.
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After so long.
    Elapsed(Duration),
    /// After so many calls.
    Calls(u64),
}

/// Keeps `in_flight` calls open; `call` is given their numbers, 0, 1, 2 …
///
/// # Errors
/// What the first failing call says.
pub(crate) async fn closed<F>(
    in_flight: usize,
    until: Until,
    call: impl Fn(u64) -> F + Send + Sync + 'static,
) -> Result<Done>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (call, next) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..in_flight {
        let (call, next) = (call.clone(), next.clone());
        callers.spawn(async move {
            let mut done = 0;
            loop {
                if matches!(until, Until::Elapsed(time) if begin.elapsed() >= time) {
                    return anyhow::Ok(done);
                }
                let n = next.fetch_add(1, Ordering::Relaxed);
                if matches!(until, Until::Calls(calls) if n >= calls) {
                    return Ok(done);
                }
                call(n).await?;
                done += 1;
            }
        });
    }
    let mut calls = 0;
    while let Some(done) = callers.join_next().await {
        calls += done??;
    }
    Ok(Done { calls, time: begin.elapsed() })
}

/// Calls on their way at a time under an open load: no more than HTTP/2 servers usually allow on one connection. Those
/// beyond wait for a place, which counts as latency.
const OPEN_CALLS: usize = 128;

/// Starts `calls` calls, one every 1/`rate` seconds from `begin` on, whatever becomes of them, and waits for all;
/// latencies in µs from the moment each was due. A thread of its own keeps the time: the runtime's timers tick every
/// millisecond, so that calls would come late and several at once.
///
/// # Errors
/// What the first failing call says.
pub(crate) async fn open<F>(
    begin: Instant,
    rate: f64,
    calls: u64,
    call: impl Fn(u64) -> F + Send + 'static,
) -> Result<Histogram<u64>>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let runtime = Handle::current();
    let begun = tokio::task::spawn_blocking(move || {
        let mut latencies = Histogram::new(3)?;
        let (mut open, places) = (JoinSet::new(), Arc::new(Semaphore::new(OPEN_CALLS)));
        for n in 0..calls {
            let due = due(begin, rate, n);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (work, places) = (call(n), places.clone());
            let timed = async move {
                let _place = places.acquire_owned().await?;
                work.await.map(|()| due.elapsed())
            };
            open.spawn_on(timed, &runtime);
            while let Some(done) = open.try_join_next() {
                record(&mut latencies, done??)?;
            }
        }
        anyhow::Ok((latencies, open))
    });
    let (mut latencies, mut open) = begun.await??;
    while let Some(done) = open.join_next().await {
        record(&mut latencies, done??)?;
    }
    Ok(latencies)
}

/// When call `n` is due.
pub(crate) fn due(begin: Instant, rate: f64, n: u64) -> Instant {
    begin + Duration::from_secs_f64(count(n) / rate)
}

/// Of latencies in µs up to ten minutes; longer ones count as ten minutes. It has its size from the start, for
/// `saturating_record` never makes room.
///
/// # Errors
/// Never, in fact: the bounds are good.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

/// Adds a latency.
///
/// # Errors
/// Never, in fact: the histogram grows.
pub(crate) fn record(latencies: &mut Histogram<u64>, latency: Duration) -> Result<()> {
    Ok(latencies.record(u64::try_from(latency.as_micros())?)?)
}

/// `p50 1.2 ms, p99 3.4 ms, worst 5.6 ms (n = 1,000)`.
pub(crate) fn describe(latencies: &Histogram<u64>) -> String {
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms (n = {})",
        millis(latencies, 0.5),
        millis(latencies, 0.99),
        count(latencies.max()) / 1_000.0,
        latencies.len()
    )
}

/// A quantile in milliseconds.
pub(crate) fn millis(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    count(latencies.value_at_quantile(quantile)) / 1_000.0
}
