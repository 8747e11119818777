//! Ingest beside a tonic echo of the same message by the same client, and beside a raw insert.

mod sides;

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use self::sides::{Sides, batch, one};
use crate::bound::{Meter, Work};
use crate::duel::{Duel, median};
use crate::figure::{Figure, Report, number, numbers};
use crate::load::{self, Until, count, describe, millis};
use crate::{data, disk, usage};

/// Interleaved runs.
const RUNS: usize = 5;
/// Calls open at a time, one event each.
const UNARY_IN_FLIGHT: u32 = 64;
/// Calls open at a time, a batch each.
const BATCHES_IN_FLIGHT: u32 = 8;
/// Events of a batch.
pub(crate) const BATCH: u64 = 500;
/// Customers.
const CUSTOMERS: u64 = 100_000;
/// One run.
const RUN: Duration = Duration::from_millis(2_000);

/// One event a call.
///
/// # Errors
/// When an event is not acknowledged, or is and did not reach the log.
pub(crate) async fn unary() -> Result<Report> {
    let sides = Sides::open().await?;
    let mut report = Report::default();
    let bytes = introduce(&mut report);
    let (mut duel, mut cpu, mut work) = (Duel::default(), Duel::default(), Work::default());
    usage::reset_peak()?;
    for run in 0..=RUNS {
        for (side, ours) in [(&sides.ours, true), (&sides.echo, false)] {
            let (begin, meter) = (usage::cpu_seconds()?, Meter::start()?);
            let done = load::closed(
                usize::try_from(UNARY_IN_FLIGHT)?,
                Until::Elapsed(if run == 0 { RUN / 2 } else { RUN }),
                one(side.clone(), format!("unary{run}"), CUSTOMERS),
            )
            .await?;
            sides.acknowledged(ours, done.calls);
            let spent = (usage::cpu_seconds()? - begin) / count(done.calls) * 1_000.0;
            if run > 0 {
                keep(&mut duel, ours, done.rate());
                keep(&mut cpu, ours, spent);
            }
            if ours && run > 0 {
                meter.stop(&mut work)?;
            }
        }
    }
    sides.check()?;
    let peak = median(&duel.ours);
    let half = (peak / 2.0).floor();
    let calls = (half * 8.0) as u64;
    let (meter, mut at_half) = (Meter::start()?, Work::default());
    let ours = load::open(Instant::now(), half, calls, one(sides.ours.clone(), "half".to_owned(), CUSTOMERS))
        .await?;
    meter.stop(&mut at_half)?;
    sides.acknowledged(true, calls);
    let echo = load::open(Instant::now(), half, calls, one(sides.echo.clone(), "half".to_owned(), CUSTOMERS))
        .await?;
    sides.acknowledged(false, calls);
    sides.check()?;
    let syncs = disk::durable_appends(bytes, Duration::from_secs(1))?;
    let (middle, worst) = duel.quote();
    report.figures.push(Figure {
        stage: format!("ingest, durable, one event a call, {UNARY_IN_FLIGHT} in flight"),
        ours: format!("{} events/s", number(peak)),
        peer: format!("tonic echo {} calls/s", number(median(&duel.peer))),
        limit: format!("{} fdatasync/s × {UNARY_IN_FLIGHT} in flight", number(syncs)),
        ratio: format!("{middle:.2} ({worst:.2})"),
        goal: "≥ 0.50 of echo".to_owned(),
        met: Some(middle >= 0.5),
        bound: work.bound(),
    });
    let p99 = millis(&ours, 0.99);
    report.figures.push(Figure {
        stage: format!("ingest, latency at half load ({} events/s, open)", number(half)),
        ours: format!("p50 {:.1} ms, p99 {p99:.1} ms", millis(&ours, 0.5)),
        peer: format!("tonic echo p50 {:.1} ms, p99 {:.1} ms", millis(&echo, 0.5), millis(&echo, 0.99)),
        limit: format!("one fdatasync {:.2} ms", 1_000.0 / syncs),
        ratio: format!("p99 {:.2}", p99 / millis(&echo, 0.99)),
        goal: "p99 ≤ 10 ms".to_owned(),
        met: Some(p99 <= 10.0),
        bound: at_half.bound(),
    });
    report.note(format!("Events/s run by run: ours {}; echo {}.", numbers(&duel.ours), numbers(&duel.peer)));
    report.note(format!("At half load: ours {}; echo {}.", describe(&ours), describe(&echo)));
    costs(&mut report, &cpu)?;
    report.note(sides.verdict());
    Ok(report)
}

/// Five hundred events a call.
///
/// # Errors
/// As with [`unary`].
pub(crate) async fn batched() -> Result<Report> {
    let sides = Sides::open().await?;
    let mut report = Report::default();
    let bytes = introduce(&mut report);
    let (mut duel, mut against_raw, mut cpu) = (Duel::default(), Duel::default(), Duel::default());
    let mut work = Work::default();
    usage::reset_peak()?;
    for run in 0..=RUNS {
        let time = Until::Elapsed(if run == 0 { RUN / 2 } else { RUN });
        for (side, ours) in [(&sides.ours, true), (&sides.echo, false)] {
            let (begin, meter) = (usage::cpu_seconds()?, Meter::start()?);
            let calls = batch(side.clone(), format!("batch{run}"), CUSTOMERS);
            let done = load::closed(usize::try_from(BATCHES_IN_FLIGHT)?, time, calls).await?;
            let events = done.calls * BATCH;
            sides.acknowledged(ours, events);
            let spent = (usage::cpu_seconds()? - begin) / count(events) * 1_000.0;
            if run > 0 {
                let rate = done.rate() * count(BATCH);
                keep(&mut duel, ours, rate);
                keep(&mut cpu, ours, spent);
            }
            if ours && run > 0 {
                meter.stop(&mut work)?;
            }
        }
        let rate = sides.raw_rate(run, time).await?;
        if run > 0 {
            against_raw.peer.push(rate);
        }
    }
    sides.check()?;
    against_raw.ours.clone_from(&duel.ours);
    let chunk = bytes * usize::try_from(BATCH)?;
    let syncs = disk::durable_appends(chunk, Duration::from_secs(1))?;
    let limit = format!(
        "{} events/s: appends of {BATCH} with fdatasync, one after another",
        number(syncs * count(BATCH))
    );
    let figure = |stage: &str, duel: &Duel, peer: &str, goal: Option<f64>| {
        let (middle, worst) = duel.quote();
        Figure {
            stage: format!("ingest, durable, batches of {BATCH}{stage}"),
            ours: format!("{} events/s", number(median(&duel.ours))),
            peer: format!("{peer} {} events/s", number(median(&duel.peer))),
            limit: limit.clone(),
            ratio: format!("{middle:.2} ({worst:.2})"),
            goal: goal.map(|goal| format!("≥ {goal:.2} of {peer}")).unwrap_or_default(),
            met: goal.map(|goal| middle >= goal),
            bound: work.bound(),
        }
    };
    report.figures.push(figure("", &duel, "tonic echo", Some(0.4)));
    report.figures.push(figure(" beside a raw insert", &against_raw, "SQLite insert_many", None));
    report.note(format!(
        "Events/s run by run: ours {}; echo {}; raw insert {}.",
        numbers(&duel.ours),
        numbers(&duel.peer),
        numbers(&against_raw.peer)
    ));
    report.note(format!(
        "{BATCHES_IN_FLIGHT} batches in flight. The raw insert has one writer, WAL and synchronous = FULL, {BATCH} payloads a \
         transaction, no network. Ours and the insert are both durable when answered; the echo keeps nothing."
    ));
    costs(&mut report, &cpu)?;
    report.note(sides.verdict());
    Ok(report)
}

fn introduce(report: &mut Report) -> usize {
    let (sum, bytes) = data::checksum(CUSTOMERS, 100_000);
    report.note(format!(
        "Input: events of {bytes} bytes with six properties, CRC-32 of the first 100,000: {sum}."
    ));
    bytes
}

fn keep(duel: &mut Duel, ours: bool, value: f64) {
    if ours { duel.ours.push(value) } else { duel.peer.push(value) }
}

fn costs(report: &mut Report, cpu: &Duel) -> Result<()> {
    ensure!(!cpu.ours.is_empty(), "nothing was run");
    report.note(format!(
        "Processor seconds per 1,000 events, the client's share included: ours {:.3}, echo {:.3}. Peak memory of the process, \
         client and all sides: {} MB.",
        median(&cpu.ours),
        median(&cpu.peer),
        number(usage::peak_megabytes()?)
    ));
    Ok(())
}
