//! Freshness of segments: from the moment an event was due until the membership it causes is visible on the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bus::Stream;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::bound::{Meter, Work};
use crate::data::{self, Events};
use crate::figure::{Figure, Report, number};
use crate::host::{self, Host};
use crate::load::{self, count, describe, due, millis};
use crate::site::{Site as _, ends};
use crate::watch::Watch;
use crate::{usage, world};

const CUSTOMERS: u64 = 20_000;
/// Events a second.
const RATE: u64 = 1_000;
/// Seconds before figures count.
const WARM_UP: u64 = 3;
/// Seconds of one window.
const WINDOW: u64 = 4;
/// Windows in a row.
const WINDOWS: u64 = 5;

/// A hundred conditions: counts in windows, sums, filtered counts, attributes with behaviour, days, sequences, kinds.
fn conditions() -> Vec<String> {
    let mut all = Vec::new();
    for (days, least) in [1, 3, 7, 30].iter().flat_map(|days| (2..=6).map(move |least| (days, least))) {
        all.push(format!(r#"events("product_viewed").within("{days}d").count() >= {least}"#));
    }
    for step in 1..=20 {
        all.push(format!(r#"events("order_completed").sum("total") > {}"#, step * 150));
    }
    for category in ["旅行", "美妆", "数码", "母婴", "服饰"] {
        for least in 1..=4 {
            all.push(format!(
                r#"events("product_viewed", e.properties.category == "{category}").within("7d").count() >= {least}"#
            ));
        }
    }
    for city in ["上海", "北京", "广州", "深圳", "成都"] {
        for least in 1..=4 {
            all.push(format!(
                r#"profile.city == "{city}" && events("cart_added").within("1d").count() >= {least}"#
            ));
        }
    }
    for level in 0..10 {
        all.push(format!(r#"events().within("30d").streak_days() >= 1 && profile.level == {level}"#));
    }
    for least in 1..=5 {
        all.push(format!(r#"events("product_viewed").within("30d").distinct("category") >= {}"#, least + 1));
        all.push(format!(
            r#"sequence("product_viewed", "cart_added").within("7d") && events("page_viewed").count() >= {least}"#
        ));
    }
    all
}

/// What was seen of the load's memberships.
struct Seen {
    windows: Vec<Histogram<u64>>,
    left: u64,
}

/// Freshness under a fixed rate, and every segment's size against a recomputation.
///
/// # Errors
/// When a size differs.
pub(crate) async fn live() -> Result<Report> {
    let conditions = conditions();
    let host = Host::open(host::all()).await?;
    let begin = Instant::now();
    world::set_up(&host, CUSTOMERS, &conditions).await?;
    let prepared = begin.elapsed();
    let events = Arc::new(Events::new("fresh", CUSTOMERS));
    usage::reset_peak()?;
    let (cpu, begin) = (usage::cpu_seconds()?, Instant::now() + Duration::from_millis(100));
    let windows = (0..=WINDOWS).map(|_| load::histogram()).collect::<Result<_>>()?;
    let seen = Arc::new(Mutex::new(Seen { windows, left: 0 }));
    let mut watch = Watch::start(host.log(), ends(host.log(), Stream::Events).await?, {
        let (events, seen) = (events.clone(), seen.clone());
        move |event, now| {
            let Some(n) = events.number(&event.cause_id) else { return };
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.left += u64::from(event.name == "segment.exited");
            if event.name == "segment.entered" {
                let late = now.saturating_duration_since(due(begin, count(RATE), n));
                let window = (n / RATE).checked_sub(WARM_UP).map_or(0, |second| second / WINDOW + 1);
                if let Some(window) = usize::try_from(window).ok().and_then(|at| seen.windows.get_mut(at)) {
                    window.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
                }
            }
        }
    });
    let (meter, mut work) = (Meter::start()?, Work::default());
    let total = RATE * (WARM_UP + WINDOW * WINDOWS);
    load::open(begin, count(RATE), total, world::sends(host.ingest()?, &events)).await?;
    let spent = (usage::cpu_seconds()? - cpu) / count(total) * 1_000.0;
    meter.stop(&mut work)?;
    host.settled().await?;
    watch.until(&ends(host.log(), Stream::Events).await?).await?;
    watch.stop().await;
    let peak = usage::peak_megabytes()?;
    let (members, checked) = compare(&host, &conditions).await?;
    let seen = Arc::into_inner(seen).context("somebody still watches")?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut report = figures(&seen, conditions.len(), &work)?;
    let (sum, bytes) = data::checksum(CUSTOMERS, 100_000);
    report.note(format!(
        "Input: {RATE} events/s one by one, {bytes} bytes each, CRC-32 of the first 100,000: {sum}; {CUSTOMERS} customers known \
         beforehand, {} segments (made and filled with them in {:.1} s), all seven services.",
        conditions.len(),
        prepared.as_secs_f64()
    ));
    report.note(format!("No peer. {WARM_UP} s of warm-up, then {WINDOWS} windows of {WINDOW} s in a row."));
    report.note(format!(
        "Checked: {checked} of {} segments recomputed from the whole history by EstimateSegment, 0 sizes differ; {members} \
         memberships in these, {} exits.",
        conditions.len(),
        seen.left
    ));
    report.note(format!(
        "Processor seconds per 1,000 events, client and watcher included: {spent:.3}. Peak memory {} MB.",
        number(peak)
    ));
    Ok(report)
}

fn figures(seen: &Seen, segments: usize, work: &Work) -> Result<Report> {
    let mut all = load::histogram()?;
    for window in &seen.windows[1..] {
        all.add(window)?;
    }
    ensure!(!all.is_empty(), "nobody entered a segment");
    let worst = |quantile: f64| seen.windows[1..].iter().map(|w| millis(w, quantile)).fold(0.0, f64::max);
    let (p50, p99) = (millis(&all, 0.5), millis(&all, 0.99));
    let mut report = Report::default();
    report.figures.push(Figure {
        stage: format!(
            "segment freshness, {segments} segments, {RATE} events/s (open): event due → segment.entered on the log"
        ),
        ours: format!("p50 {p50:.1} ms, p99 {p99:.1} ms (worst window {:.1} and {:.1})", worst(0.5), worst(0.99)),
        goal: "p99 ≤ 100 ms (there: 1,000 segments, 1 M customers, 5,000 events/s)".to_owned(),
        met: Some(p99 <= 100.0),
        bound: work.bound(),
        ..Figure::default()
    });
    report.note(format!(
        "All windows: {}; {:.1} memberships change per event, each a fact that every service reads.",
        describe(&all),
        count(all.len()) / count(RATE * WINDOW * WINDOWS)
    ));
    Ok(report)
}

/// Members in all segments that were compared, and how many these are: as many as fit into some seconds.
async fn compare(host: &Host, conditions: &[String]) -> Result<(i64, usize)> {
    const BUDGET: Duration = Duration::from_secs(12);
    let (client, begin) = (host.client()?, Instant::now());
    let (mut members, mut checked) = (0, 0);
    // From all kinds of conditions, should time not suffice for all.
    for n in (0..conditions.len()).map(|n| n * 37 % conditions.len()) {
        if begin.elapsed() > BUDGET {
            break;
        }
        let (kept, computed) = world::sizes(&client, n, &conditions[n]).await?;
        ensure!(kept == computed, "{}: {kept} members and {computed} by recomputation", conditions[n]);
        (members, checked) = (members + kept, checked + 1);
    }
    Ok((members, checked))
}
