//! Every service as a process of its own, on PostgreSQL (with fsync) and JetStream.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bus::jetstream::{JetStreamLog, Options};
use bus::{Log, Stream};
use kernel::Secret;
use tempfile::TempDir;
use testkit::postgres::Postgres;
use testkit::{Client, Keys, NatsServer, Stack};
use tests::cluster::{Recipe, SERVICES, free, ready};
use tests::front::Front;
use tokio::process::Child;
use tokio::time::Instant;

use crate::host;
use crate::site::{Site, ends};
use crate::usage::{Parts, Process};

/// Longest wait for the background work to end.
const SETTLE: Duration = Duration::from_secs(180);
/// Without work for so long, it rests.
const QUIET: Duration = Duration::from_secs(1);

/// The processes.
#[derive(Debug)]
pub(crate) struct Fleet {
    children: Vec<Child>,
    http: Vec<std::net::SocketAddr>,
    web: reqwest::Client,
    recipe: Recipe,
    front: Front,
    log: Arc<dyn Log>,
    _keys: Keys,
    _folder: TempDir,
    /// The last to go.
    postgres: Postgres,
    _nats: NatsServer,
}

impl Fleet {
    /// Starts all on fresh engines and data.
    ///
    /// # Errors
    /// What starting says.
    pub(crate) async fn open() -> Result<Self> {
        let folder = tempfile::tempdir_in(host::scratch()?)?;
        let nats = NatsServer::start()?;
        let postgres = Postgres::start_durable().await?;
        let settings = Stack::Engines("bench".to_owned()).settings_on(&SERVICES, &nats, &postgres).await?;
        let keys = Keys::new()?;
        let recipe = Recipe::on(settings, &keys, 1).await?;
        let first = recipe.first();
        let (mut children, mut http) = (Vec::new(), Vec::new());
        for service in SERVICES {
            let (address, grpc) = (free()?, first.get(service).context("no such service")?);
            http.push(address);
            children.push(recipe.start(service, folder.path(), (*grpc, address), Stdio::inherit())?);
        }
        for ((service, address), child) in SERVICES.iter().zip(&http).zip(&mut children) {
            ready(service, *address, child).await?;
        }
        let partitions = recipe.setting("common.bus.partitions").context("no partitions")?.parse()?;
        let log: Arc<dyn Log> = JetStreamLog::connect(Options {
            url: Secret::new(nats.url()),
            prefix: "bench".to_owned(),
            partitions,
            ..Options::default()
        })
        .await?;
        let front = Front::start(&first).await?;
        Ok(Self {
            children,
            http,
            web: reqwest::Client::new(),
            recipe,
            front,
            log,
            _keys: keys,
            _folder: folder,
            postgres,
            _nats: nats,
        })
    }

    /// Ours by their names, and the engines' by what they run.
    fn processes(&self) -> Result<Vec<(String, Process)>> {
        let ours = SERVICES.iter().zip(&self.children);
        let ours =
            ours.filter_map(|(name, child)| Some(((*name).to_owned(), Process::of(child.id()?).ok()?)));
        let mut all: Vec<(String, Process)> = ours.collect();
        for engine in ["postgres", "nats-server"] {
            all.extend(Process::named(engine)?.into_iter().map(|process| (engine.to_owned(), process)));
        }
        all.push(("bench and gateway".to_owned(), Process::of(std::process::id())?));
        Ok(all)
    }
}

impl Site for Fleet {
    const NAME: &str = "a process for each service, PostgreSQL, JetStream";
    const SLOWER: f64 = 4.0;
    const SATURATION: Option<f64> = None;
    const LOOK: Duration = Duration::from_millis(100);

    fn client(&self) -> Result<Client> {
        host::client(self.front.address)
    }

    fn ingest(&self) -> Result<Client> {
        host::client(*self.recipe.first().get("ingest").context("no ingest")?)
    }

    fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    async fn tidy(&self) -> Result<()> {
        Ok(self.postgres.analyze().await?)
    }

    /// Consumers that are behind the log, as `service stream partition`.
    async fn busy(&self) -> Vec<String> {
        let mut busy = Vec::new();
        for (service, address) in SERVICES.iter().zip(&self.http) {
            let Ok(answer) = self.web.get(format!("http://{address}/metrics")).send().await else {
                busy.push(format!("{service} does not answer"));
                continue;
            };
            let text = answer.text().await.unwrap_or_default();
            let lags = text.lines().filter(|line| line.starts_with("guanxi_log_lag_events{"));
            let behind = |line: &str| {
                let (of, lag) = line.rsplit_once(' ')?;
                let names: Vec<&str> = of.split('"').skip(1).step_by(2).collect();
                (lag != "0").then(|| names.join(" "))
            };
            busy.extend(lags.filter_map(behind));
        }
        busy
    }

    async fn settled(&self) -> Result<Instant> {
        let (begin, mut ticks) = (Instant::now(), tokio::time::interval(Self::LOOK));
        let (mut since, mut last) = (Instant::now(), Vec::new());
        loop {
            ticks.tick().await;
            let seen = Instant::now();
            let (busy, now) = (self.busy().await, ends(&self.log, Stream::Events).await?);
            if !busy.is_empty() || now != last {
                (since, last) = (seen, now);
            } else if since.elapsed() >= QUIET {
                return Ok(since);
            }
            if begin.elapsed() > SETTLE {
                bail!("still at work: {}", busy.join(", "));
            }
        }
    }

    fn processor(&self) -> Result<f64> {
        Ok(self.processor_by_part()?.total())
    }

    fn processor_by_part(&self) -> Result<Parts> {
        let mut sums = Parts::default();
        for (name, process) in self.processes()? {
            sums.add(name, process.cpu_seconds);
        }
        Ok(sums)
    }

    fn memory(&self) -> Result<String> {
        let mut sums = BTreeMap::new();
        for (name, process) in self.processes()? {
            *sums.entry(name).or_insert(0.0) += process.peak_megabytes;
        }
        let each: Vec<_> = sums.iter().map(|(name, megabytes)| format!("{name} {megabytes:.0}")).collect();
        Ok(format!("{} MB (what PostgreSQL's processes share counts for each)", each.join(", ")))
    }
}
