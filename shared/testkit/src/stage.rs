//! A process under test.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::Stack;
use bus::Stream;
use chassis::config::Settings;
use chassis::{Assembly, Running, Service};
use kernel::{Clock, Result, Time, Warp};
use prost::Message as _;
use store::Database;
use tempfile::TempDir;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use wire::event::{Event, Identifier};

/// How tests reach a service: `SomethingClient::new(stage.client())`.
pub type Client = InterceptedService<Channel, TokenInterceptor>;

/// Sends the development token.
#[derive(Clone, Debug)]
pub struct TokenInterceptor;

impl Interceptor for TokenInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer dev"));
        Ok(request)
    }
}

/// Services that run, their data and their clock.
#[derive(Debug)]
pub struct Stage {
    /// The process.
    pub running: Running,
    /// The hand on its clock, which begins at [`start_time`].
    pub warp: Warp,
    /// The clock itself, for what a test runs beside the process.
    pub clock: Clock,
    folder: TempDir,
    stack: Stack,
    settings: Settings,
}

/// 2026-11-21 10:00 in Shanghai.
pub fn start_time() -> Time {
    Time::from_seconds(1_795_226_400)
}

impl Stage {
    /// Runs `assembly` (services and settings) on fresh data.
    ///
    /// # Errors
    /// What starting says.
    pub async fn open(assembly: Assembly) -> Result<Self> {
        Self::open_on(Stack::chosen(), assembly).await
    }

    /// The same on given engines.
    ///
    /// # Errors
    /// What starting says.
    pub async fn open_on(stack: Stack, assembly: Assembly) -> Result<Self> {
        let folder = tempfile::tempdir()
            .map_err(|cause| kernel::Error::internal("no temporary folder").caused_by(cause))?;
        let (clock, warp) = Clock::warped(start_time());
        let (running, settings) = launch(assembly, &folder, &stack, clock.clone()).await?;
        Ok(Self { running, warp, clock, folder, stack, settings })
    }

    /// Stops the process and runs `assembly` on the same data and clock.
    ///
    /// # Errors
    /// What starting says.
    pub async fn reopen(self, assembly: Assembly) -> Result<Self> {
        let Self { running, warp, clock, folder, stack, .. } = self;
        running.shutdown().await;
        let (running, settings) = launch(assembly, &folder, &stack, clock.clone()).await?;
        Ok(Self { running, warp, clock, folder, stack, settings })
    }

    /// Where the data lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The database of the service `S`, opened beside the process.
    ///
    /// # Errors
    /// What connecting says.
    pub async fn database<S: Service>(&self) -> Result<Database> {
        Database::open(S::NAME, &self.settings.database(S::NAME)?, S::migrations, &self.clock).await
    }

    /// A connection by TCP that sends the development token.
    pub fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.running.grpc));
        let channel = endpoint.unwrap_or_else(|_| Endpoint::from_static("http://127.0.0.1:1")).connect_lazy();
        InterceptedService::new(channel, TokenInterceptor)
    }

    /// Appends events for the workspace `demo`, as if ingest (raw) or identity (events) had.
    ///
    /// `sequence` numbers them for the made-up producer `test`; give every call its own range, ascending.
    ///
    /// # Errors
    /// What the log says.
    pub async fn append(&self, stream: Stream, sequence: u64, events: &[Event]) -> Result<()> {
        let record = |(n, event): (u64, &Event)| bus::Record {
            workspace: kernel::Workspace::new(chassis::caller::DEV_WORKSPACE),
            key: event.customer_id.clone().into(),
            producer: "test".into(),
            sequence: n,
            payload: event.encode_to_vec().into(),
        };
        self.running.log.append(stream, (sequence..).zip(events).map(record).collect()).await
    }

    /// Returns when nothing is at work any more.
    pub async fn settled(&self) {
        self.running.activity.settled().await;
    }

    /// Lets time pass, stopping at every moment somebody waits for.
    pub async fn advance(&self, by: Duration) {
        let target = self.warp.now().plus(by);
        self.settled().await;
        while let Some(next) = self.warp.next_wake().filter(|next| *next <= target) {
            self.warp.advance_to(next);
            self.settled().await;
        }
        self.warp.advance_to(target);
        self.settled().await;
    }

    /// Everything on a stream, in order, without the repetitions of restarts (readers know them by their sequence).
    ///
    /// # Errors
    /// What the log says.
    pub async fn events(&self, stream: Stream) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for partition in 0..self.running.log.partitions() {
            let (mut next, mut highest): (u64, HashMap<Arc<str>, u64>) = (0, HashMap::new());
            loop {
                let entries = self.running.log.read(stream, partition, next, 1_000).await?;
                let Some(last) = entries.last() else { break };
                next = last.position + 1;
                let fresh = entries.iter().filter(|entry| is_new(&mut highest, &entry.record));
                events.extend(fresh.filter_map(|entry| Event::decode(entry.record.payload.clone()).ok()));
            }
        }
        Ok(events)
    }
}

fn is_new(highest: &mut HashMap<Arc<str>, u64>, record: &bus::Record) -> bool {
    let before = highest.get(&record.producer).copied();
    highest.insert(record.producer.clone(), record.sequence.max(before.unwrap_or(0)));
    before.is_none_or(|before| record.sequence > before)
}

async fn launch(
    mut assembly: Assembly,
    folder: &TempDir,
    stack: &Stack,
    clock: Clock,
) -> Result<(Running, Settings)> {
    let engines = stack.settings(&assembly.layers.services()).await?;
    let data = format!("common.data={}", folder.path().display());
    let ours = [data.as_str(), "common.grpc=127.0.0.1:0", "common.http=127.0.0.1:0", "common.dev=true"];
    assembly.layers.set.splice(0..0, ours.map(str::to_owned).into_iter().chain(engines));
    assembly.migrate().await?;
    let settings = assembly.layers.merge()?;
    Ok((assembly.launch(clock).await?, settings))
}

/// An event with identifiers written `namespace=value`, and properties.
pub fn event(id: &str, name: &str, time: Time, identifiers: &[&str], properties: serde_json::Value) -> Event {
    let identifier = |text: &&str| {
        let (namespace, value) = text.split_once('=').unwrap_or((text, ""));
        Identifier { namespace: namespace.to_owned(), value: value.to_owned() }
    };
    let properties = match properties {
        serde_json::Value::Object(object) => Some(chassis::values::to_struct(object)),
        _ => None,
    };
    Event {
        id: id.to_owned(),
        name: name.to_owned(),
        time: Some(time.into()),
        received_at: Some(time.into()),
        identifiers: identifiers.iter().map(identifier).collect(),
        properties,
        ..Event::default()
    }
}
