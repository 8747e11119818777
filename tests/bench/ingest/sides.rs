//! The sides of a comparison, and what each has acknowledged and received.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use bus::Stream;
use chassis::{Assembly, Layers};
use prost::Message as _;
use testkit::Client;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::ingest::{IngestEventsRequest, IngestEventsResponse};

use super::BATCH;
use crate::data::Events;
use crate::echo::Echo;
use crate::host::{self, Host};
use crate::load::{self, Until, count};
use crate::raw::Rows;
use crate::site::Site as _;

/// The service, the echo and the table.
#[derive(Debug)]
pub(crate) struct Sides {
    /// A client of the service.
    pub(crate) ours: IngestServiceClient<Client>,
    /// The same of the echo.
    pub(crate) echo: IngestServiceClient<Client>,
    host: Host,
    /// Events that the echo received.
    echoed: Arc<AtomicU64>,
    _server: Echo,
    rows: Arc<Rows>,
    inserted: AtomicU64,
    acknowledged: [AtomicU64; 2],
}

impl Sides {
    /// Starts all.
    ///
    /// # Errors
    /// What starting says.
    pub(crate) async fn open() -> Result<Self> {
        let host = Host::open(Assembly::new(Layers::default()).with::<ingest::Ingest>()).await?;
        let echoed = Arc::new(AtomicU64::new(0));
        let server = Echo::open("/guanxi.ingest.v1.IngestService/IngestEvents", {
            let echoed = echoed.clone();
            move |request: IngestEventsRequest| {
                let accepted = u32::try_from(request.events.len()).unwrap_or(u32::MAX);
                echoed.fetch_add(u64::from(accepted), Ordering::Relaxed);
                IngestEventsResponse { accepted, ..Default::default() }
            }
        })
        .await?;
        Ok(Self {
            ours: IngestServiceClient::new(host.client()?),
            echo: IngestServiceClient::new(host::client(server.address)?),
            host,
            echoed,
            _server: server,
            rows: Arc::new(Rows::open().await?),
            inserted: AtomicU64::new(0),
            acknowledged: Default::default(),
        })
    }

    /// Notes events that were acknowledged.
    pub(crate) fn acknowledged(&self, ours: bool, events: u64) {
        self.acknowledged[usize::from(ours)].fetch_add(events, Ordering::Relaxed);
    }

    /// # Errors
    /// When the log does not hold what was acknowledged, or the echo counted something else.
    pub(crate) fn check(&self) -> Result<()> {
        let [echoed, taken] = [0, 1].map(|side| self.acknowledged[side].load(Ordering::Relaxed));
        let (logged, counted) = (self.host.records(Stream::Raw), self.echoed.load(Ordering::Relaxed));
        ensure!(logged == taken, "{taken} events were acknowledged and {logged} are on the log");
        ensure!(counted == echoed, "{echoed} events were answered and {counted} counted");
        Ok(())
    }

    /// What was checked, for the notes.
    pub(crate) fn verdict(&self) -> String {
        format!(
            "Checked: {} acknowledged events stand on the log, none more, none refused; the echo counted all of its.",
            self.host.records(Stream::Raw)
        )
    }

    /// Rows a second of a run of raw inserts by one writer.
    ///
    /// # Errors
    /// When rows are missing.
    pub(crate) async fn raw_rate(&self, run: usize, until: Until) -> Result<f64> {
        let events = Events::new(format!("raw{run}"), super::CUSTOMERS);
        let (rows, base) = (self.rows.clone(), self.inserted.load(Ordering::Relaxed));
        let insert = move |n: u64| {
            let (rows, first) = (rows.clone(), n * BATCH);
            let payloads = (first..first + BATCH).map(|n| events.event(n).encode_to_vec()).collect();
            async move { rows.insert(base + first, payloads).await }
        };
        let done = load::closed(1, until, insert).await?;
        let inserted = base + done.calls * BATCH;
        self.inserted.store(inserted, Ordering::Relaxed);
        ensure!(self.rows.count().await? == inserted, "rows are missing");
        Ok(done.rate() * count(BATCH))
    }
}

/// Calls with one event each, which must be accepted.
pub(crate) fn one(
    client: IngestServiceClient<Client>,
    label: String,
    customers: u64,
) -> impl Fn(u64) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync + 'static {
    calls(client, label, customers, 1)
}

/// Calls with a batch each, all of which must be accepted.
pub(crate) fn batch(
    client: IngestServiceClient<Client>,
    label: String,
    customers: u64,
) -> impl Fn(u64) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync + 'static {
    calls(client, label, customers, BATCH)
}

fn calls(
    client: IngestServiceClient<Client>,
    label: String,
    customers: u64,
    events_a_call: u64,
) -> impl Fn(u64) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync + 'static {
    let events = Arc::new(Events::new(label, customers));
    move |n| {
        let (mut client, events) = (client.clone(), events.clone());
        Box::pin(async move {
            let request = events.request(n * events_a_call, events_a_call);
            let answer = client.ingest_events(request).await?.into_inner();
            ensure!(u64::from(answer.accepted) == events_a_call, "not all was accepted: {answer:?}");
            Ok(())
        })
    }
}
