//! Two processes of every service on PostgreSQL and JetStream, and hands on each of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use chassis::rpc::Channel;
use kernel::Clock;
use sea_orm::sqlx::{self, Connection as _, Row as _, postgres::PgConnection};
use tempfile::TempDir;
use testkit::{Keys, Stack, TokenInterceptor};
use tests::cluster::{Recipe, SERVICES, addresses, free, ready};
use tests::front::Front;
use tests::platform::{binary, root};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;

use crate::metrics::value;

/// A client of some processes of a service: it takes turns, and repeats what was certainly not begun.
pub(crate) type Balanced = InterceptedService<Channel, TokenInterceptor>;

/// One process of a service.
pub(crate) type Name = (&'static str, usize);

/// The processes.
#[derive(Debug)]
pub(crate) struct Twins {
    pub(crate) recipe: Recipe,
    processes: BTreeMap<Name, Process>,
    front: Front,
    data: TempDir,
    passed: bool,
    _keys: Keys,
    /// Fourteen processes at a time are enough for one machine.
    _alone: MutexGuard<'static, ()>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    http: SocketAddr,
}

/// Lines of each process's log that are shown when a test fails.
const COMPLAINTS: usize = 12;

static ALONE: Mutex<()> = Mutex::const_new(());

impl Twins {
    /// On the engines that all tests share, with these settings besides.
    pub(crate) async fn start(settings: &[&str]) -> Result<Self> {
        let mut all = Stack::engines().settings(&SERVICES).await?;
        all.extend(settings.iter().map(ToString::to_string));
        Self::start_on(all).await
    }

    /// On engines of these settings.
    pub(crate) async fn start_on(settings: Vec<String>) -> Result<Self> {
        let alone = ALONE.lock().await;
        let (keys, data) = (Keys::new()?, tempfile::tempdir()?);
        let recipe = Recipe::on(settings, &keys, 2).await?;
        let front = Front::start(&recipe.first()).await?;
        let mut twins = Self {
            recipe,
            processes: BTreeMap::new(),
            front,
            data,
            passed: false,
            _keys: keys,
            _alone: alone,
        };
        let names = twins.names();
        for name in &names {
            twins.spawn(*name)?;
        }
        for name in names {
            twins.ready(name).await?;
        }
        Ok(twins)
    }

    /// All processes.
    pub(crate) fn names(&self) -> Vec<Name> {
        let of = |service: &'static str| {
            let replicas = self.recipe.grpc.get(service).map_or(0, Vec::len);
            (0..replicas).map(move |n| (service, n))
        };
        SERVICES.into_iter().flat_map(of).collect()
    }

    /// Starts a process, for the first time or in its predecessor's place.
    pub(crate) fn spawn(&mut self, (service, n): Name) -> Result<()> {
        let grpc = *self.recipe.grpc.get(service).and_then(|all| all.get(n)).context("no such process")?;
        // Where its predecessor was, by which balancers know it.
        let http = self.processes.get(&(service, n)).map_or_else(free, |process| Ok(process.http))?;
        let log = File::options().create(true).append(true).open(self.log_file((service, n)))?;
        // Those of analytics share a disk.
        let data = if service == "analytics" { "shared".to_owned() } else { n.to_string() };
        let data = self.data.path().join(data);
        let child = self.recipe.start(service, &data, (grpc, http), log.into())?;
        self.processes.insert((service, n), Process { child, http });
        Ok(())
    }

    fn log_file(&self, (service, n): Name) -> PathBuf {
        self.data.path().join(format!("{service}-{n}.log"))
    }

    /// What it has logged, and what its predecessors in its place have.
    pub(crate) fn log(&self, name: Name) -> Result<String> {
        Ok(std::fs::read_to_string(self.log_file(name))?)
    }

    /// The test has passed: nobody need see what the processes complained of.
    pub(crate) fn done(mut self) {
        self.passed = true;
    }

    /// Returns when it says that it is ready.
    pub(crate) async fn ready(&mut self, name: Name) -> Result<()> {
        let process = self.processes.get_mut(&name).context("no such process")?;
        ready(name.0, process.http, &mut process.child).await
    }

    /// Where the processes of a service have their HTTP.
    pub(crate) fn http(&self, service: &str) -> Vec<SocketAddr> {
        self.processes.iter().filter(|((of, _), _)| *of == service).map(|(_, process)| process.http).collect()
    }

    /// What `/readyz` says: the status and what is missing.
    pub(crate) async fn readiness(&self, name: Name) -> Result<(u16, String)> {
        let process = self.processes.get(&name).context("no such process")?;
        let answer = reqwest::get(format!("http://{}/readyz", process.http)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What a line of `/metrics` that begins so says, over all processes of the service; 0 where there is none.
    pub(crate) async fn metric(&self, service: &str, begin: &str) -> Result<f64> {
        let mut sum = 0.0;
        for process in self.processes.iter().filter(|((of, _), _)| *of == service).map(|(_, process)| process)
        {
            let text = reqwest::get(format!("http://{}/metrics", process.http)).await?.text().await?;
            sum += value(&text, begin).unwrap_or(0.0);
        }
        Ok(sum)
    }

    /// Sends a signal: `STOP`, `CONT`, `TERM`.
    pub(crate) async fn signal(&self, name: Name, signal: &str) -> Result<()> {
        let process = self.processes.get(&name).context("no such process")?;
        let id = process.child.id().context("it is gone already")?.to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().await?;
        ensure!(sent.success(), "{name:?} does not take {signal}");
        Ok(())
    }

    /// Asks these to stop, all at once; how long it took until the last was gone. All must say that all went well.
    pub(crate) async fn stop(&mut self, names: &[Name]) -> Result<Duration> {
        for name in names {
            self.signal(*name, "TERM").await?;
        }
        let begin = Instant::now();
        for name in names {
            let process = self.processes.get_mut(name).context("no such process")?;
            let ended = tokio::time::timeout(Duration::from_secs(60), process.child.wait()).await;
            let status = ended.with_context(|| format!("{name:?} does not stop"))??;
            ensure!(status.success(), "{name:?} stopped with {status}");
        }
        Ok(begin.elapsed())
    }

    /// Kills these, all at once.
    pub(crate) async fn kill(&mut self, names: &[Name]) -> Result<()> {
        for name in names {
            let mut process = self.processes.remove(name).context("no such process")?;
            process.child.kill().await?;
        }
        Ok(())
    }

    /// No process has ended by itself.
    pub(crate) fn all_run(&mut self) -> Result<()> {
        for (name, process) in &mut self.processes {
            if let Some(status) = process.child.try_wait()? {
                bail!("{name:?} ended with {status}");
            }
        }
        Ok(())
    }

    /// Calls to whichever process of the service answers.
    pub(crate) async fn balanced(&self, service: &'static str) -> Result<Balanced> {
        calls_to(&addresses(self.recipe.grpc.get(service).context("no such service")?)).await
    }

    /// Calls to one process.
    pub(crate) async fn to(&self, (service, n): Name) -> Result<Balanced> {
        let address = self.recipe.grpc.get(service).and_then(|all| all.get(n)).context("no such process")?;
        calls_to(&addresses(std::slice::from_ref(address))).await
    }

    /// Applies definitions.
    pub(crate) async fn apply(&self, file: &str) -> Result<()> {
        let server = format!("http://{}", self.front.address);
        let arguments = ["apply", "-f", file, "--server", &server];
        let output = Command::new(binary()?).args(arguments).current_dir(root()).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// How many leases each process of the service holds, by the database, and how many processes it knows of.
    pub(crate) async fn leases(&self, service: &str) -> Result<Leases> {
        let url = self.recipe.setting("common.database.owner_url").context("no database")?;
        let mut db = PgConnection::connect(&url.replace("{service}", service)).await?;
        let query = "SELECT name, holder, fence FROM lease WHERE holder <> ''";
        let mut leases = Leases::default();
        for row in sqlx::query(query).fetch_all(&mut db).await? {
            let (name, holder): (String, String) = (row.try_get("name")?, row.try_get("holder")?);
            match name.starts_with("member ") {
                true => leases.members += 1,
                false => {
                    *leases.held.entry(holder).or_default() += 1;
                    leases.changes += row.try_get::<i64, _>("fence")?;
                }
            }
        }
        db.close().await?;
        Ok(leases)
    }
}

impl Drop for Twins {
    fn drop(&mut self) {
        let complaint = |line: &&str| [" WARN ", "ERROR ", "error"].iter().any(|sign| line.contains(sign));
        for name in self.names().into_iter().filter(|_| !self.passed) {
            let log = self.log(name).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().filter(complaint).take(COMPLAINTS).collect();
            let text: String = last.iter().rev().map(|line| format!("  {line}\n")).collect();
            // Nobody is left to hear of a failure.
            let _said = write!(std::io::stderr(), "{name:?}:\n{text}").is_ok();
        }
    }
}

/// Who holds what.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// Number by holder.
    pub(crate) held: BTreeMap<String, usize>,
    /// Processes that are here.
    pub(crate) members: usize,
    /// How often leases have changed hands, all together.
    pub(crate) changes: i64,
}

async fn calls_to(addresses: &str) -> Result<Balanced> {
    let channel = chassis::rpc::outside(addresses, &chassis::config::Tls::default(), Clock::system()).await?;
    Ok(InterceptedService::new(channel, TokenInterceptor))
}
