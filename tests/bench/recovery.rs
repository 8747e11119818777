//! How long it takes until the platform says that it is healthy, from the start of its processes, after all of them were
//! killed under load. The engines live on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::Client;
use tests::platform::Platform;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::event::Event;
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;

use crate::data;
use crate::duel::median;
use crate::figure::{Figure, Report, numbers};
use crate::host;

/// Kills of each kind.
const KILLS: u64 = 11;
/// Calls that are answered before each.
const CALLS: u64 = 400;
/// Events of one call.
const BATCH: u64 = 100;
/// Customers.
const CUSTOMERS: u64 = 10_000;
/// The goal for the worst one.
const GOAL: Duration = Duration::from_secs(2);

/// Kills, starts again, and looks at the clock; in one process, then with a process for each service.
///
/// # Errors
/// When it does not come up, or takes nothing then.
pub(crate) async fn run() -> Result<Report> {
    let mut report = Report::default();
    for engines in [false, true] {
        let folder = tempfile::tempdir_in(host::scratch()?)?;
        let mut ups = Vec::new();
        for kill in 0..=KILLS {
            let begin = Instant::now();
            let platform = if engines {
                Platform::many_processes(folder.path(), "recovery".to_owned()).await?
            } else {
                Platform::one_process(folder.path()).await?
            };
            let health = reqwest::get(format!("http://{}/healthz", platform.http)).await?;
            ensure!(health.status().is_success(), "not healthy: {}", health.status());
            // The first start made the data.
            if kill > 0 {
                ups.push(begin.elapsed().as_secs_f64());
            }
            let (tell, mut answered) = mpsc::unbounded_channel();
            let mut clients = JoinSet::new();
            for client in 0..4 {
                clients.spawn(load(platform.client()?, kill * 4 + client, tell.clone()));
            }
            drop(tell);
            for _ in 0..CALLS {
                answered.recv().await.with_context(|| format!("after kill {kill} calls fail"))?;
            }
            platform.kill().await?;
            clients.join_all().await;
        }
        let worst = ups.iter().copied().fold(0.0, f64::max);
        let place =
            if engines { "a process for each service, PostgreSQL, JetStream" } else { "all in one process" };
        report.figures.push(Figure {
            stage: format!("healthy again after kill -9 of everything under load; {place}"),
            ours: format!("{:.2} s (worst {worst:.2} s)", median(&ups)),
            goal: format!("≤ {} s", GOAL.as_secs()),
            met: Some(worst <= GOAL.as_secs_f64()),
            ..Figure::default()
        });
        let millis: Vec<f64> = ups.iter().map(|up| (up * 1_000.0).round()).collect();
        report.note(format!("Milliseconds, kill by kill, {place}: {}.", numbers(&millis)));
    }
    report.note(
        "From the start of the first new process; what was acknowledged and is counted once is the matter of `it kill`.",
    );
    Ok(report)
}

/// Sends until the connection breaks, and tells of each answer.
async fn load(client: Client, number: u64, tell: mpsc::UnboundedSender<()>) {
    let mut client = IngestServiceClient::new(client);
    for call in 0.. {
        let event = |n: u64| Event {
            id: format!("recovery-{number}-{call}-{n}"),
            name: "product_viewed".to_owned(),
            identifiers: vec![data::user((call * BATCH + n) % CUSTOMERS)],
            ..Event::default()
        };
        let request =
            IngestEventsRequest { events: (0..BATCH).map(event).collect(), source_key: String::new() };
        if client.ingest_events(request).await.is_err() || tell.send(()).is_err() {
            return;
        }
    }
}
