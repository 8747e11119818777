//! Far more is asked of ingest than it can do, and nobody reads what it takes: it goes on at about the same rate, and tells the
//! others when to come again.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use serde_json::json;
use tempfile::TempDir;
use tests::cluster::{free, ready};
use tests::platform::binary;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use wire::event::{Event, Identifier};
use wire::ingest::{IngestEventsRequest, IngestEventsResponse};

/// Calls that the process has in progress at the most; as many clients keep it busy.
const PLACES: usize = 16;
/// Ten times as many want in.
const CROWD: usize = 10 * PLACES;
/// Events of a call.
const BATCH: u64 = 200;
/// How long each kind of load lasts, and how often they take turns.
const SPELL: Duration = Duration::from_secs(3);
const TURNS: usize = 3;
/// Until all clients have come for the first time, and those who were refused know how long to wait.
const ARRIVAL: Duration = Duration::from_secs(2);
/// What must be left of the peak. The goal is 0.9, of a release build; here refusing a call costs milliseconds of a processor
/// that the clients and other tests share, and 0.64 to 0.8 were seen while other builds ran.
const STANDS: f64 = 0.5;
/// Memory that the crowd may cost.
const GROWTH: f64 = 200e6;

/// Ingest alone: what would read from its log is stopped.
struct Ingest {
    grpc: std::net::SocketAddr,
    http: std::net::SocketAddr,
    _process: Child,
    _data: TempDir,
}

impl Ingest {
    async fn start() -> Result<Self> {
        let (data, grpc, http) = (tempfile::tempdir()?, free()?, free()?);
        let settings = [
            format!("common.data={}", data.path().display()),
            format!("common.grpc={grpc}"),
            format!("common.http={http}"),
            format!("common.limits.calls_in_progress={PLACES}"),
            "common.dev=true".to_owned(),
        ];
        let mut command = Command::new(binary()?);
        command.args(["serve", "ingest"]).args(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        ready("ingest", http, &mut process).await?;
        Ok(Self { grpc, http, _process: process, _data: data })
    }

    /// A connection of a client's own would be dearer than its calls: a few share one.
    fn channels(&self) -> Result<Vec<Channel>> {
        let channel = |_| Ok(Endpoint::from_shared(format!("http://{}", self.grpc))?.connect_lazy());
        (0..4).map(channel).collect()
    }

    async fn memory(&self) -> Result<f64> {
        let text = reqwest::get(format!("http://{}/metrics", self.http)).await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        Ok(line.context("no figure of memory")?.parse()?)
    }
}

/// What a spell of load came to.
#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    /// Answers that nobody should get.
    wrong: std::sync::Mutex<Vec<Status>>,
}

/// Messages as they are on the wire: the clients share two processors with what they load, and must cost little.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A batch; its events get their ids where they arrive.
fn batch() -> Bytes {
    let event = |n: u64| {
        let user = Identifier { namespace: "user_id".to_owned(), value: format!("u{n}") };
        Event { name: "product_viewed".to_owned(), identifiers: vec![user], ..Event::default() }
    };
    let events = (0..BATCH).map(event).collect();
    IngestEventsRequest { events, ..IngestEventsRequest::default() }.encode_to_vec().into()
}

async fn send(channel: &Channel, body: &Bytes) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(body.clone());
    request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer dev"));
    let path = PathAndQuery::from_static("/guanxi.ingest.v1.IngestService/IngestEvents");
    let answer = client.unary(request, path, Raw).await?.into_inner();
    let answer = IngestEventsResponse::decode(answer).map_err(|error| Status::unknown(error.to_string()))?;
    if u64::from(answer.accepted) == BATCH { Ok(()) } else { Err(Status::unknown(format!("{answer:?}"))) }
}

/// One client: sends the next batch when the last one was taken, and comes again when it is told to.
async fn client(channel: Channel, body: Bytes, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let Err(status) = send(&channel, &body).await else {
            tally.accepted.fetch_add(BATCH, Ordering::Relaxed);
            continue;
        };
        tally.refused.fetch_add(1, Ordering::Relaxed);
        let told = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
        match told.filter(|_| status.code() == Code::ResourceExhausted) {
            Some(wait) => tokio::time::sleep(wait.min(SPELL)).await,
            None => tally.wrong.lock().unwrap_or_else(|e| e.into_inner()).push(status),
        }
    }
}

/// Events taken in a second by so many clients once all have come, and how many calls were refused.
async fn load(ingest: &Ingest, clients: usize) -> Result<(f64, u64)> {
    let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let (ways, body) = (ingest.channels()?, batch());
    let mut running = JoinSet::new();
    for way in ways.iter().cycle().take(clients) {
        running.spawn(client(way.clone(), body.clone(), tally.clone(), over.clone()));
    }
    let begin = Instant::now() + ARRIVAL;
    tokio::time::sleep_until(begin).await;
    let before = tally.accepted.load(Ordering::Relaxed);
    tokio::time::sleep_until(begin + SPELL).await;
    let (accepted, took) = (tally.accepted.load(Ordering::Relaxed) - before, begin.elapsed());
    over.store(true, Ordering::Relaxed);
    running.join_all().await;
    let wrong = std::mem::take(&mut *tally.wrong.lock().unwrap_or_else(|e| e.into_inner()));
    ensure!(wrong.is_empty(), "{} unexpected answers, such as {:?}", wrong.len(), wrong.first());
    let refused = tally.refused.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    Ok((accepted as f64 / took.as_secs_f64(), refused))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goodput_does_not_collapse_under_ten_times_the_load_and_memory_is_bounded() -> Result<()> {
    let ingest = Ingest::start().await?;
    load(&ingest, PLACES).await?;
    let before = ingest.memory().await?;
    let (mut ratios, mut all_refused) = (Vec::new(), 0);
    for _ in 0..TURNS {
        let (peak, _) = load(&ingest, PLACES).await?;
        let (goodput, refused) = load(&ingest, CROWD).await?;
        ensure!(refused > 0, "the crowd was no crowd");
        all_refused += refused;
        ratios.push(goodput / peak);
        writeln!(
            std::io::stderr(),
            "peak {peak:.0} events/s, crowd {goodput:.0} events/s, {refused} refused"
        )?;
    }
    let growth = ingest.memory().await? - before;
    ratios.sort_by(f64::total_cmp);
    let median = ratios[TURNS / 2];
    writeln!(std::io::stderr(), "goodput {median:.2} of peak, memory grew by {:.0} MB", growth / 1e6)?;
    assert!(median >= STANDS, "goodput fell to {median:.2} of its peak: {ratios:?}, {all_refused} refused");
    assert!(growth < GROWTH, "memory grew by {:.0} MB", growth / 1e6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_is_shed_with_the_time_to_come_again_and_health_is_not() -> Result<()> {
    let ingest = Ingest::start().await?;
    let (web, url) = (reqwest::Client::new(), format!("http://{}/v1/batch", ingest.http));
    let calls: Vec<_> =
        (0..BATCH).map(|n| json!({"type": "track", "userId": n, "event": "Signed Up"})).collect();
    let body = json!({"batch": calls}).to_string();
    let mut knocking = JoinSet::new();
    for _ in 0..CROWD {
        let request = web.post(&url).basic_auth("dev", Some("")).body(body.clone());
        knocking.spawn(async move { anyhow::Ok(request.send().await?) });
    }
    let health = reqwest::get(format!("http://{}/healthz", ingest.http)).await?;
    assert_eq!(health.status(), 200);
    let (mut taken, mut shed) = (0, 0);
    while let Some(answer) = knocking.join_next().await {
        let answer = answer??;
        match answer.status().as_u16() {
            200 => taken += 1,
            429 => {
                shed += 1;
                let wait: u64 = answer.headers()["retry-after"].to_str()?.parse()?;
                ensure!((1..=15).contains(&wait), "Retry-After: {wait}");
                let said = answer.text().await?;
                ensure!(said.contains("OVERLOADED") && said.contains("calls_in_progress"), "{said}");
            }
            other => anyhow::bail!("{other}: {}", answer.text().await?),
        }
    }
    assert!(taken >= PLACES && shed > 0, "{taken} taken, {shed} shed");
    Ok(())
}
