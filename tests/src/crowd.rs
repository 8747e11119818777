//! Far more clients than ingest lets in, each of which comes again when it is told to.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use tempfile::TempDir;
use testkit::Stack;
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

use crate::cluster::{free, migrate, ready, said};
use crate::platform::binary;

/// Calls that the process has in progress at the most; as many clients keep it busy.
pub const PLACES: usize = 16;
/// Ten times as many want in.
pub const CROWD: usize = 10 * PLACES;
/// Events of a call.
pub const BATCH: u64 = 200;
/// How long each kind of load lasts, and how often they take turns.
const SPELL: Duration = Duration::from_secs(3);
const TURNS: usize = 3;
/// Until all clients have come for the first time, and those who were refused know how long to wait.
const ARRIVAL: Duration = Duration::from_secs(2);

/// Ingest alone: what would read from its log is stopped.
#[derive(Debug)]
pub struct Ingest {
    grpc: SocketAddr,
    /// Its HTTP.
    pub http: SocketAddr,
    _process: Child,
    _data: TempDir,
}

impl Ingest {
    /// Starts it on fresh data.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> Result<Self> {
        let (data, grpc, http) = (tempfile::tempdir()?, free()?, free()?);
        let mut settings = Stack::chosen().settings(&["ingest"]).await.map_err(said)?;
        if !settings.is_empty() {
            migrate("ingest", &settings).await?;
        }
        settings.extend([
            format!("common.data={}", data.path().display()),
            format!("common.grpc={grpc}"),
            format!("common.http={http}"),
            format!("common.limits.calls_in_progress={PLACES}"),
            "common.dev=true".to_owned(),
        ]);
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

/// What came of taking turns: as many clients as there are places, and ten times as many.
#[derive(Debug)]
pub struct Outcome {
    /// Events a second of as many as there are places, and of the crowd, by turn.
    pub turns: Vec<[f64; 2]>,
    /// Calls refused to the crowd.
    pub refused: u64,
    /// Bytes of memory that the process had more of at the end than after its first load.
    pub growth: f64,
}

impl Outcome {
    /// What was left of the peak under ten times the load, by turn, the least first.
    pub fn goodput(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.turns.iter().map(|[peak, crowd]| crowd / peak).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// Loads ingest up to its limit and far above it, in turns, while nobody reads what it takes.
///
/// # Errors
/// When a client gets any other answer than to have been accepted, or to come again later.
pub async fn press() -> Result<Outcome> {
    let ingest = Ingest::start().await?;
    load(&ingest, PLACES).await?;
    let before = ingest.memory().await?;
    let (mut turns, mut all_refused) = (Vec::new(), 0);
    for _ in 0..TURNS {
        let (peak, _) = load(&ingest, PLACES).await?;
        let (crowd, refused) = load(&ingest, CROWD).await?;
        ensure!(refused > 0, "the crowd was no crowd");
        all_refused += refused;
        turns.push([peak, crowd]);
    }
    Ok(Outcome { turns, refused: all_refused, growth: ingest.memory().await? - before })
}
