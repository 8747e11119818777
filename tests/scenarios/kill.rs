//! `kill -9` under load and start again, over and over: nothing acknowledged is lost, nothing is done twice, who waits in
//! a journey goes on, and the process soon serves again.
//!
//! The long run, of 200 kills and more than a million acknowledged events: `make kill-long`. It says what it saw on standard
//! error.
//!
//! "Done twice" is told apart where it must be: within the platform every effect happens once, whatever happens. To a
//! provider outside, a message can only go at least once: when the process dies between the provider's acceptance and
//! the commit that keeps it, the start repeats the message, with the same id and the same idempotency key, by which the
//! provider knows it. The test counts such repetitions at an endpoint that outlives every kill.

pub(crate) mod receiver;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kernel::{Clock, Time};
use receiver::Receiver;
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::analytics::ScanEventsRequest;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::journey::{GetRunRequest, ListRunsRequest, RunState};
use wire::messaging::MessageState;

use crate::counts;

/// Times the process is killed, unless `KILL_TEST_KILLS` says otherwise.
const KILLS: u32 = 25;
/// Events in one call, one of them an order, unless `KILL_TEST_BATCH` says otherwise.
const BATCH: u32 = 20;
/// Of so many kills, one is put off until somebody waits in the journey.
const WAITED_FOR: u32 = 5;
/// Times until the platform serves again, half of them and all. The goal is 2 s; these are for a debug build on a machine
/// with neighbours. Seen, on two cores: 0.6 s and 0.8 s in one process; as seven processes on PostgreSQL and JetStream,
/// each of which takes 0.17 s of processor until it serves, 1 s when the machine is quiet and 4 s when others build on it.
const UP: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(15)];
/// Longest time without progress while a backlog is worked off.
const STANDSTILL: Duration = Duration::from_secs(60);

/// What a client knows: ids that were acknowledged, and the number of the next call.
#[derive(Debug)]
struct Ledger {
    /// Events in one call.
    batch: u32,
    acknowledged: Mutex<BTreeSet<String>>,
    next: AtomicU32,
}

/// A run that was seen waiting, and the moment at which the process was dead.
#[derive(Debug)]
struct Waiting {
    run: String,
    dead: Time,
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_and_count_once() -> Result<()> {
    let (kills, batch) = (chosen("KILL_TEST_KILLS", KILLS)?, chosen("KILL_TEST_BATCH", BATCH)?);
    let ledger = Arc::new(Ledger { batch, acknowledged: Mutex::default(), next: AtomicU32::default() });
    let (data, receiver) = (tempdir()?, Receiver::start().await?);
    let (mut waits, mut ups) = (Vec::new(), Vec::new());
    for round in 0..kills {
        let platform = start(data.path(), &mut ups).await?;
        if round == 0 {
            // The first start made the data; it is no start after a kill.
            ups.clear();
            define(&platform, &receiver).await?;
        }
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            clients.spawn(load(platform.client()?, ledger.clone()));
        }
        // A seeded moment: after so many more acknowledgements.
        let more = batch * (200 + round * 137 % 400) / BATCH;
        let wanted = ledger.acknowledged.lock().await.len() + usize::try_from(more)?;
        eventually("acknowledgements", || async {
            let count = ledger.acknowledged.lock().await.len();
            Ok(if count >= wanted { Ok(()) } else { Err(format!("{count} of {wanted}")) })
        })
        .await?;
        let runs = if round % WAITED_FOR == WAITED_FOR - 1 { waiting(&platform).await? } else { Vec::new() };
        platform.kill().await?;
        let dead = Clock::system().now();
        waits.extend(runs.into_iter().map(|run| Waiting { run, dead }));
        clients.join_all().await;
    }
    let platform = start(data.path(), &mut ups).await?;
    let acknowledged = ledger.acknowledged.lock().await.clone();
    let calls = ledger.next.load(Ordering::SeqCst);
    send_again(&platform, calls, batch).await?;
    every_event_counts_once(&platform, &acknowledged, usize::try_from(calls * batch)?).await?;
    let repeated = each_order_is_thanked(&platform, &receiver, usize::try_from(calls)?).await?;
    let across = went_on(&platform, &waits).await?;
    tokio::time::timeout(Duration::from_secs(30), platform.stop()).await.context("it does not stop")??;
    ups.sort_unstable();
    let (median, worst) = (ups[ups.len() / 2], ups[ups.len() - 1]);
    writeln!(
        std::io::stderr(),
        "{kills} kills: {} events acknowledged, none lost, all counted once; serving again after {:.2} s (median), \
         {:.2} s (worst); {across} runs waited across a kill and went on; {calls} orders, {calls} messages, {repeated} \
         posts repeated under the same id",
        acknowledged.len(),
        median.as_secs_f64(),
        worst.as_secs_f64()
    )?;
    assert!(median <= UP[0] && worst <= UP[1], "it served again only after {median:?}, {worst:?}");
    assert!(kills < WAITED_FOR || across > 0, "no run was waiting while the process was dead");
    Ok(())
}

fn chosen(variable: &str, usual: u32) -> Result<u32> {
    match std::env::vars().find(|(name, _)| name == variable) {
        Some((_, chosen)) => chosen.parse().with_context(|| format!("{variable} must be a number")),
        None => Ok(usual),
    }
}

/// Starts the process and notes how long it took until it said that it is healthy.
async fn start(data: &Path, ups: &mut Vec<Duration>) -> Result<Platform> {
    let begin = Instant::now();
    let platform = Platform::start(data).await?;
    let health = reqwest::get(format!("http://{}/healthz", platform.http)).await?;
    ensure!(health.status().is_success(), "not healthy: {}", health.status());
    ups.push(begin.elapsed());
    Ok(platform)
}

async fn define(platform: &Platform, receiver: &Receiver) -> Result<()> {
    counts::channel(platform.client()?, &receiver.url).await?;
    platform.run(&["apply", "-f", "tests/golden/greeting.yaml"]).await?;
    Ok(())
}

fn events(number: u32, batch: u32) -> Vec<Event> {
    let event = |n: u32| {
        let id = format!("kill-{number}-{n}");
        let user =
            Identifier { namespace: "user_id".to_owned(), value: format!("u{}", (number * batch + n) % 97) };
        let name = if n == 0 { "order_completed" } else { "product_viewed" };
        Event { id, name: name.to_owned(), identifiers: vec![user], ..Event::default() }
    };
    (0..batch).map(event).collect()
}

/// Sends batches until the connection breaks; each is retried in the end, acknowledged or not.
async fn load(platform_client: testkit::Client, ledger: Arc<Ledger>) {
    let mut client = IngestServiceClient::new(platform_client);
    loop {
        let events = events(ledger.next.fetch_add(1, Ordering::SeqCst), ledger.batch);
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let request = IngestEventsRequest { events, source_key: String::new() };
        match client.ingest_events(request).await {
            Ok(answer) if answer.get_ref().rejections.is_empty() => {
                ledger.acknowledged.lock().await.extend(ids)
            }
            _ => return,
        }
    }
}

/// Runs that wait, as soon as there are some.
async fn waiting(platform: &Platform) -> Result<Vec<String>> {
    eventually("somebody who waits", || {
        let client = platform.client();
        async move {
            let request = ListRunsRequest {
                journey_key: "thanks".to_owned(),
                state: RunState::Waiting.into(),
                page_size: 100,
                ..ListRunsRequest::default()
            };
            let runs = JourneyServiceClient::new(client?).list_runs(request).await?.into_inner().runs;
            let ids: Vec<String> = runs.into_iter().map(|run| run.run_id).collect();
            Ok(if ids.is_empty() { Err("nobody waits".to_owned()) } else { Ok(ids) })
        }
    })
    .await
}

/// Everything once more: what was taken before the kills is known by its id.
async fn send_again(platform: &Platform, calls: u32, batch: u32) -> Result<()> {
    let mut ingest = IngestServiceClient::new(platform.client()?);
    for number in 0..calls {
        let request = IngestEventsRequest { events: events(number, batch), source_key: String::new() };
        ingest.ingest_events(request).await?;
    }
    Ok(())
}

async fn every_event_counts_once(
    platform: &Platform,
    acknowledged: &BTreeSet<String>,
    all: usize,
) -> Result<()> {
    let counted = grown("events counted", all, async || counts::events(platform.client()?, "").await).await?;
    assert_eq!(counted, all, "an event counts twice");
    let stored = scan(platform).await?;
    let lost: Vec<_> = acknowledged.difference(&stored).take(5).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(stored.len(), all);
    Ok(())
}

/// Asks until the answer is `wanted` at the least; the backlog of many kills may take long, but must not stand still.
async fn grown(what: &str, wanted: usize, mut ask: impl AsyncFnMut() -> Result<usize>) -> Result<usize> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let (mut last, mut grew) = (0, Instant::now());
    loop {
        ticks.tick().await;
        let now = ask().await?;
        if now >= wanted {
            return Ok(now);
        }
        if now > last {
            (last, grew) = (now, Instant::now());
        }
        if grew.elapsed() > STANDSTILL {
            bail!("{what}: {now} of {wanted}, and no more for {STANDSTILL:?}");
        }
    }
}

async fn scan(platform: &Platform) -> Result<BTreeSet<String>> {
    let request = ScanEventsRequest {
        names: vec!["product_viewed".to_owned(), "order_completed".to_owned()],
        ..Default::default()
    };
    let mut stream = AnalyticsServiceClient::new(platform.client()?).scan_events(request).await?.into_inner();
    let mut ids = BTreeSet::new();
    while let Some(chunk) = stream.message().await? {
        ids.extend(chunk.events.into_iter().map(|event| event.id));
    }
    Ok(ids)
}

/// One message per order, all sent, none in doubt, whatever was running when the process died. Says how many posts the
/// endpoint has seen beyond one per message.
async fn each_order_is_thanked(platform: &Platform, receiver: &Receiver, orders: usize) -> Result<usize> {
    grown("messages received", orders, async || Ok(receiver.messages())).await?;
    let sent = |state| state == MessageState::Sent;
    grown("messages known as sent", orders, async || {
        Ok(counts::messages(platform.client()?).await?.into_iter().filter(|state| sent(*state)).count())
    })
    .await?;
    assert_eq!(counts::messages(platform.client()?).await?.len(), orders, "an order is thanked twice");
    let posts = receiver.posts();
    assert_eq!(posts.len(), orders, "an order is thanked twice outside");
    let ids: BTreeSet<&String> = posts.values().flatten().collect();
    assert_eq!(ids.len(), orders, "a message was repeated under another id");
    Ok(posts.values().map(|posts| posts.len() - 1).sum())
}

/// Those of the runs that took their next step only after the process had died. All must have come to their end.
async fn went_on(platform: &Platform, waits: &[Waiting]) -> Result<usize> {
    let mut client = JourneyServiceClient::new(platform.client()?);
    let mut across = 0;
    for Waiting { run: run_id, dead } in waits {
        let request = GetRunRequest { run_id: run_id.clone() };
        let run = client.get_run(request).await?.into_inner().run.context("no run")?;
        assert_eq!((run.state(), run.exit_reason.as_str()), (RunState::Exited, "done"), "{run:?}");
        let step = run.history.iter().find(|step| step.node == "thank").context("it was not thanked")?;
        across += usize::from(step.time.as_ref().is_some_and(|time| Time::from(time) > *dead));
    }
    Ok(across)
}
