//! Each service alone over the same log: what it could do if the others cost nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use chassis::{Assembly, Layers, Service};
use tokio::time::Instant;

use super::{CUSTOMERS, conditions, drain};
use crate::figure::{Figure, Report, number};
use crate::host::{self, Host};
use crate::load::count;
use crate::site::Site as _;
use crate::{usage, world};

/// Events of the log.
const EVENTS: u64 = 40_000;

/// One service over the log.
struct Alone {
    name: &'static str,
    time: Duration,
    cpu: f64,
}

/// Replays one log through each service alone, once, and through all without the journey.
///
/// # Errors
/// When a service does not come to its end.
pub(crate) async fn stages() -> Result<Report> {
    let host = Host::open(host::all()).await?;
    world::set_up(&host, CUSTOMERS, &conditions()).await?;
    let folder = host.stop().await;
    let before = tempfile::tempdir_in(host::scratch()?)?;
    host::copy(folder.path(), before.path())?;
    let host = Host::open_on(host::all(), folder).await?;
    let whole = drain::run(&host, "stage", EVENTS).await?;
    let full = host.stop().await;
    let (before, log) = (before.path(), full.path().join("log"));
    let alone = [
        replay::<identity::Identity>(before, &log).await?,
        replay::<profile::Profile>(before, &log).await?,
        replay::<segmentation::Segmentation>(before, &log).await?,
        replay::<messaging::Messaging>(before, &log).await?,
        replay::<analytics::Analytics>(before, &log).await?,
    ];
    let quiet = without_journey(before).await?;
    let mut report = Report::default();
    for one in &alone {
        report.figures.push(Figure {
            stage: format!("{} alone over the log of {EVENTS} events", one.name),
            ours: format!("{} events/s", number(count(EVENTS) / one.time.as_secs_f64())),
            bound: format!(
                "{:.3} s of processor per 1,000 events, {:.1} cores busy",
                one.cpu / count(EVENTS) * 1_000.0,
                one.cpu / one.time.as_secs_f64()
            ),
            ..Figure::default()
        });
    }
    report.figures.push(Figure {
        stage: "all services, nobody in the journey".to_owned(),
        ours: format!("{} events/s", number(quiet)),
        bound: format!("with the journey {} events/s in the same process", number(whole.rate())),
        ..Figure::default()
    });
    report.note(
        "One run each, so these only show where time goes. Replays are of one log that all services together had written, from \
         a copy of the databases before it; facts of other services are part of it. Ingest is measured above; the journey \
         service cannot run without those it calls.",
    );
    Ok(report)
}

async fn replay<S: Service>(before: &Path, log: &Path) -> Result<Alone> {
    let folder = tempfile::tempdir_in(host::scratch()?)?;
    host::copy(before, folder.path())?;
    std::fs::remove_dir_all(folder.path().join("log"))?;
    host::copy(log, &folder.path().join("log"))?;
    let (cpu, begin) = (usage::cpu_seconds()?, Instant::now());
    let host = Host::open_on(Assembly::new(Layers::default()).with::<S>(), folder).await?;
    host.settled().await?;
    let alone = Alone { name: S::NAME, time: begin.elapsed(), cpu: usage::cpu_seconds()? - cpu };
    host.stop().await;
    Ok(alone)
}

/// Events a second of all services when no order starts anything.
async fn without_journey(before: &Path) -> Result<f64> {
    let folder = tempfile::tempdir_in(host::scratch()?)?;
    host::copy(before, folder.path())?;
    let host = Host::open_on(host::all(), folder).await?;
    world::pause(&host.client()?).await?;
    host.settled().await?;
    let begin = Instant::now();
    drain::send(&host, "quiet", EVENTS).await?;
    host.settled().await?;
    let rate = count(EVENTS) / begin.elapsed().as_secs_f64();
    host.stop().await;
    Ok(rate)
}
