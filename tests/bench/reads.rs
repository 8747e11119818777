//! `GetProfile` beside a tonic echo of the same messages by the same client.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chassis::{Assembly, Layers};
use futures::future::BoxFuture;
use testkit::Client;
use tokio::time::Instant;
use wire::event::Identifier;
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, GetProfileResponse, get_profile_request};

use crate::bound::{Meter, Work};
use crate::data;
use crate::duel::{Duel, median};
use crate::echo::Echo;
use crate::figure::{Figure, Report, number, numbers};
use crate::host::{self, Host};
use crate::load::{self, Until, count, describe, millis};
use crate::site::Site as _;

/// Profiles there are.
const CUSTOMERS: u64 = 1_000_000;
/// Profiles that become known with one call.
const BATCH: u64 = 500;
/// Interleaved runs.
const RUNS: usize = 5;
/// Calls open at a time.
const IN_FLIGHT: usize = 64;
/// One run.
const RUN: Duration = Duration::from_millis(2_000);

/// Reads one profile a call, each time another one, by the identifier that apps know.
///
/// # Errors
/// When an answer is not the customer who was asked for.
pub(crate) async fn run() -> Result<Report> {
    let assembly = Assembly::new(Layers::default())
        .with::<ingest::Ingest>()
        .with::<identity::Identity>()
        .with::<profile::Profile>()
        .with::<segmentation::Segmentation>();
    let host = Host::open(assembly).await?;
    let begin = Instant::now();
    introduce(&host).await?;
    let prepared = begin.elapsed();
    let ours = ProfileServiceClient::new(host.client()?);
    let pattern = ours.clone().get_profile(request(7)).await?.into_inner();
    let bytes = prost::Message::encoded_len(&pattern);
    let server = Echo::open("/guanxi.profile.v1.ProfileService/GetProfile", move |_: GetProfileRequest| {
        pattern.clone()
    })
    .await?;
    let echo = ProfileServiceClient::new(host::client(server.address)?);
    let (mut duel, mut work) = (Duel::default(), Work::default());
    for run in 0..=RUNS {
        for (side, is_ours) in [(&ours, true), (&echo, false)] {
            let time = Until::Elapsed(if run == 0 { RUN / 2 } else { RUN });
            let meter = Meter::start()?;
            let done = load::closed(IN_FLIGHT, time, reads(side.clone(), is_ours)).await?;
            if run > 0 && is_ours {
                meter.stop(&mut work)?;
            }
            if run > 0 {
                if is_ours { &mut duel.ours } else { &mut duel.peer }.push(done.rate());
            }
        }
    }
    let half = (median(&duel.ours) / 2.0).floor();
    let (meter, mut at_half) = (Meter::start()?, Work::default());
    let late = load::open(Instant::now(), half, (half * 6.0) as u64, reads(ours, true)).await?;
    meter.stop(&mut at_half)?;
    let late_echo = load::open(Instant::now(), half, (half * 6.0) as u64, reads(echo, false)).await?;
    let mut report = Report::default();
    let (middle, worst) = duel.quote();
    report.figures.push(Figure {
        stage: format!(
            "GetProfile by identifier, {} profiles, {IN_FLIGHT} in flight",
            number(count(CUSTOMERS))
        ),
        ours: format!("{} calls/s", number(median(&duel.ours))),
        peer: format!("tonic echo {} calls/s", number(median(&duel.peer))),
        ratio: format!("{middle:.2} ({worst:.2})"),
        goal: "≥ 0.50 of echo".to_owned(),
        met: Some(middle >= 0.5),
        bound: work.bound(),
        ..Figure::default()
    });
    let p99 = millis(&late, 0.99);
    report.figures.push(Figure {
        stage: format!("GetProfile, latency at half load ({} calls/s, open)", number(half)),
        ours: format!("p50 {:.1} ms, p99 {p99:.1} ms", millis(&late, 0.5)),
        peer: format!(
            "tonic echo p50 {:.1} ms, p99 {:.1} ms",
            millis(&late_echo, 0.5),
            millis(&late_echo, 0.99)
        ),
        ratio: format!("p99 {:.2}", p99 / millis(&late_echo, 0.99)),
        goal: "p99 ≤ 3 ms".to_owned(),
        met: Some(p99 <= 3.0),
        bound: at_half.bound(),
        ..Figure::default()
    });
    report.note(format!("Calls/s run by run: ours {}; echo {}.", numbers(&duel.ours), numbers(&duel.peer)));
    report.note(format!("At half load: ours {}; echo {}.", describe(&late), describe(&late_echo)));
    report.note(format!(
        "Answers of {bytes} bytes, of customers spread over all. {} profiles became known through ingest and identity in {:.0} s; \
         each is read from identity, profile and segmentation. \
         Checked: every answer is the customer who was asked for.",
        number(count(CUSTOMERS)),
        prepared.as_secs_f64()
    ));
    Ok(report)
}

async fn introduce(host: &Host) -> Result<()> {
    let client = IngestServiceClient::new(host.ingest()?);
    let call = move |n: u64| {
        let mut client = client.clone();
        async move {
            let events: Vec<_> = (n * BATCH..(n + 1) * BATCH).map(data::introduction).collect();
            let answer =
                client.ingest_events(IngestEventsRequest { events, source_key: String::new() }).await?;
            ensure!(u64::from(answer.into_inner().accepted) == BATCH, "not all was accepted");
            Ok(())
        }
    };
    load::closed(4, Until::Calls(CUSTOMERS / BATCH), call).await?;
    host.settled().await?;
    Ok(())
}

fn request(n: u64) -> GetProfileRequest {
    GetProfileRequest { customer: Some(get_profile_request::Customer::Identifier(data::user(n))) }
}

/// Calls for one customer after the other, far from each other; the echo answers the same to all.
fn reads(
    client: ProfileServiceClient<Client>,
    is_ours: bool,
) -> impl Fn(u64) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static {
    move |n| {
        let mut client = client.clone();
        Box::pin(async move {
            let wanted = data::mix(n) % CUSTOMERS;
            let answer: GetProfileResponse = client.get_profile(request(wanted)).await?.into_inner();
            let profile = answer.profile.context("no profile")?;
            let theirs = |one: &Identifier| *one == data::user(wanted);
            ensure!(
                !is_ours || profile.identifiers.iter().any(theirs),
                "{profile:?} is not customer {wanted}"
            );
            Ok(())
        })
    }
}
