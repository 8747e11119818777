//! Every service as a process of its own, as operators run them, on PostgreSQL and JetStream; beside them, in this
//! process, the platform simulator and a gateway.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kernel::Clock;
use simulator::Simulator;
use testkit::{Keys, Stack};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::front::Front;
use crate::platform::binary;

/// All services.
pub const SERVICES: [&str; 7] =
    ["ingest", "identity", "profile", "segmentation", "journey", "messaging", "analytics"];

/// Longest wait for a process to be ready.
const DEADLINE: Duration = Duration::from_secs(60);

/// The processes.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of [`SERVICES`].
    pub children: Vec<Child>,
    /// How they were started.
    pub recipe: Recipe,
    /// The gateway's address.
    pub grpc: SocketAddr,
    /// The processes' addresses of HTTP, in the same order; the first is the tracking API's.
    pub http: Vec<SocketAddr>,
    /// What the processes need beside them.
    pub beside: Beside,
}

/// What runs in this process.
#[derive(Debug)]
pub struct Beside {
    /// Where the simulator listens.
    pub simulator: SocketAddr,
    /// Where its mailbox does.
    pub mailbox: SocketAddr,
    _front: Front,
    _keys: Keys,
    _world: AbortOnDropHandle<()>,
    _stop: DropGuard,
}

/// How to start a service of a cluster, once more or besides.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Settings of all processes.
    settings: Vec<String>,
    /// gRPC of every service's processes.
    pub grpc: BTreeMap<&'static str, Vec<SocketAddr>>,
}

impl Recipe {
    /// Where a cluster on `data` finds its engines, keys and services; its databases are brought up to date. Its processes
    /// have these settings besides.
    ///
    /// # Errors
    /// When an engine cannot be started.
    pub async fn prepare(data: &Path, name: String, keys: &Keys, settings: &[String]) -> Result<Self> {
        let kept = data.join("engines");
        let earlier = std::fs::read_to_string(&kept).ok();
        let engines = Stack::Engines(earlier.clone().unwrap_or_else(|| name.clone()));
        let all =
            engines.settings(&SERVICES).await.map_err(said)?.into_iter().chain(settings.iter().cloned());
        // Of an earlier run on this data: processes that died are just started again.
        if earlier.is_some() {
            return Self::again(all.collect(), keys, 1);
        }
        let recipe = Self::on(all.collect(), keys, 1).await?;
        std::fs::write(&kept, &name)?;
        Ok(recipe)
    }

    /// The same for so many processes of every service on engines of these settings.
    ///
    /// # Errors
    /// When the databases cannot be brought up to date.
    pub async fn on(settings: Vec<String>, keys: &Keys, replicas: usize) -> Result<Self> {
        let recipe = Self::again(settings, keys, replicas)?;
        migrate("all", &recipe.settings).await?;
        Ok(recipe)
    }

    /// The same on databases that are up to date.
    fn again(mut settings: Vec<String>, keys: &Keys, replicas: usize) -> Result<Self> {
        settings.extend(keys.settings());
        settings.extend(["common.dev=true", "common.bus.partitions=2"].map(str::to_owned));
        let mut grpc = BTreeMap::new();
        for service in SERVICES {
            grpc.insert(service, (0..replicas).map(|_| free()).collect::<Result<Vec<_>>>()?);
        }
        let address = |(name, replicas): (&&str, &Vec<SocketAddr>)| {
            format!("common.services.{name}={}", addresses(replicas))
        };
        settings.extend(grpc.iter().map(address));
        Ok(Self { settings, grpc })
    }

    /// What all processes are told of `key`.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find_map(|setting| setting.strip_prefix(key)?.strip_prefix('='))
    }

    /// What a process of `service` is told: it refuses other services' settings, and reaches itself without an address.
    pub fn of(&self, service: &str) -> impl Iterator<Item = &String> {
        let (itself, own) = (format!("common.services.{service}="), format!("{service}."));
        let known = move |setting: &&String| {
            (setting.starts_with("common.") || setting.starts_with(&own)) && !setting.starts_with(&itself)
        };
        self.settings.iter().filter(known)
    }

    /// The first process of every service.
    pub fn first(&self) -> BTreeMap<&'static str, SocketAddr> {
        self.grpc.iter().filter_map(|(name, replicas)| Some((*name, *replicas.first()?))).collect()
    }

    /// Starts a process of `service` with its HTTP at `http`, its log going to `log`.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn start(
        &self,
        service: &str,
        data: &Path,
        (grpc, http): (SocketAddr, SocketAddr),
        log: Stdio,
    ) -> Result<Child> {
        let own = [
            format!("common.data={}", data.join(service).display()),
            format!("common.grpc={grpc}"),
            format!("common.http={http}"),
        ];
        let mut command = Command::new(binary()?);
        command.args(["serve", service]);
        for setting in self.of(service).chain(&own) {
            command.args(["--set", setting]);
        }
        Ok(command.stderr(log).kill_on_drop(true).spawn()?)
    }
}

impl Cluster {
    /// Starts all services on `data`, which may hold data of an earlier run; else on engines' data of this name. What they
    /// log goes to `log`, or with what the test itself says.
    ///
    /// # Errors
    /// When one does not become ready.
    pub async fn start(data: &Path, name: String, settings: &[String], log: Option<&File>) -> Result<Self> {
        let keys = Keys::new().map_err(said)?;
        let recipe = Recipe::prepare(data, name, &keys, settings).await?;
        let (mut children, mut http, first) = (Vec::new(), Vec::new(), recipe.first());
        for service in SERVICES {
            let address = free()?;
            http.push(address);
            let grpc = *first.get(service).context("no such service")?;
            children.push(recipe.start(service, data, (grpc, address), output(log)?)?);
        }
        for ((service, address), child) in SERVICES.iter().zip(&http).zip(&mut children) {
            ready(service, *address, child).await?;
        }
        let front = Front::start(&first).await?;
        let beside = Beside::start(front, keys).await?;
        let grpc = beside._front.address;
        Ok(Self { children, recipe, grpc, http, beside })
    }
}

impl Beside {
    async fn start(front: Front, keys: Keys) -> Result<Self> {
        let options = simulator::Options::new(Clock::system(), 1).map_err(said)?;
        let simulated = Simulator::new(options).map_err(said)?;
        let (web, mail) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (simulator, mailbox) = (web.local_addr()?, mail.local_addr()?);
        let stop = CancellationToken::new();
        let web = simulated.clone().serve(web, stop.clone().cancelled_owned());
        let mail = simulated.serve_mail(mail, stop.clone().cancelled_owned());
        let world = async move {
            let _ended = tokio::join!(web, mail);
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the handle")]
        let world = AbortOnDropHandle::new(tokio::spawn(world));
        Ok(Self { simulator, mailbox, _front: front, _keys: keys, _world: world, _stop: stop.drop_guard() })
    }
}

/// Brings the databases of `services` up to date.
///
/// # Errors
/// When that fails.
pub(crate) async fn migrate(services: &str, settings: &[String]) -> Result<()> {
    let mut command = Command::new(binary()?);
    command.args(["migrate", services]).args(settings.iter().flat_map(|setting| ["--set", setting]));
    let migrated = command.stdout(Stdio::null()).status().await?;
    ensure!(migrated.success(), "the databases could not be migrated");
    Ok(())
}

/// Where a process writes what it logs.
pub(crate) fn output(log: Option<&File>) -> Result<Stdio> {
    Ok(match log {
        Some(log) => log.try_clone()?.into(),
        None => Stdio::inherit(),
    })
}

/// Returns when the process says that it is ready.
///
/// # Errors
/// When it ends or takes too long.
pub async fn ready(service: &str, http: SocketAddr, child: &mut Child) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let begin = tokio::time::Instant::now();
    let url = format!("http://{http}/readyz");
    loop {
        ticks.tick().await;
        if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("{service} ended with {status} before it was ready");
        }
        ensure!(begin.elapsed() < DEADLINE, "{service} is not ready after {DEADLINE:?}");
    }
}

/// As `common.services` and `--server` take them.
pub fn addresses(replicas: &[SocketAddr]) -> String {
    replicas.iter().map(|address| format!("http://{address}")).collect::<Vec<_>>().join(",")
}

/// An address that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free() -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, testkit::free_port().map_err(said)?).into())
}

pub(crate) fn said(error: kernel::Error) -> anyhow::Error {
    anyhow::anyhow!(error.to_string())
}
