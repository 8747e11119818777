//! The real binary, run as a user runs it, on free ports and throw-away data.

use std::ffi::OsStr;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::{Client, Stack, TokenInterceptor};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::cluster::{Beside, Cluster, Recipe};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where [`Platform::start_with`] keeps the log.
pub const LOG: &str = "stderr.log";

/// The platform, killed when dropped: `guanxi dev`, or where [`Stack::chosen`] says so every service as a process of its
/// own on PostgreSQL and JetStream (see [`crate::cluster`]).
#[derive(Debug)]
pub struct Platform {
    children: Vec<Child>,
    ran: Ran,
    /// Address of gRPC.
    pub grpc: String,
    /// Address of the tracking API.
    pub http: String,
    /// Addresses of HTTP of all processes.
    pub https: Vec<String>,
    /// Address of the simulator.
    pub simulator: String,
    /// Address of its mailbox.
    pub mailbox: String,
}

/// How it was started.
#[derive(Debug)]
enum Ran {
    /// In one process, told this.
    InOne(Vec<String>),
    /// In many, and what they need beside them.
    InMany(Box<Recipe>, #[expect(dead_code, reason = "ends with this value")] Box<Beside>),
}

/// The binary that `make test` or `make bench` has built, or the one that `TESTED_BINARY` names.
///
/// # Errors
/// When it is not there.
pub fn binary() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("TESTED_BINARY") {
        return Ok(chosen.into());
    }
    let test = std::env::current_exe()?;
    // Tests are in a folder below it, the bench is beside it.
    let found =
        test.ancestors().skip(1).take(2).map(|folder| folder.join("guanxi")).find(|file| file.exists());
    found.context("guanxi is not built: run `cargo build` first (for the bench with --release), as make does")
}

impl Platform {
    /// Starts on `data`, which may hold data of an earlier run.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(data: &Path) -> Result<Self> {
        Self::chosen(data, &[], None).await
    }

    /// The same with further settings; what it logs is kept in the file [`LOG`] of `data`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_with(data: &Path, settings: &[String]) -> Result<Self> {
        let log = File::options().create(true).append(true).open(data.join(LOG))?;
        Self::chosen(data, settings, Some(&log)).await
    }

    /// The same with a process for each service on engines' data of this name, whatever is chosen.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn many_processes(data: &Path, name: String) -> Result<Self> {
        Self::in_many(data, name, &[], None).await
    }

    /// The same in one process, whatever is chosen.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn one_process(data: &Path) -> Result<Self> {
        Self::in_one(data, &[], None).await
    }

    async fn chosen(data: &Path, settings: &[String], log: Option<&File>) -> Result<Self> {
        match Stack::chosen() {
            Stack::Embedded => Self::in_one(data, settings, log).await,
            Stack::Engines(name) => Self::in_many(data, name, settings, log).await,
        }
    }

    async fn in_many(data: &Path, name: String, settings: &[String], log: Option<&File>) -> Result<Self> {
        let Cluster { children, recipe, grpc, http, beside } =
            Cluster::start(data, name, settings, log).await?;
        let (simulator, mailbox) = (beside.simulator.to_string(), beside.mailbox.to_string());
        let https: Vec<String> = http.iter().map(ToString::to_string).collect();
        Ok(Self {
            children,
            ran: Ran::InMany(Box::new(recipe), Box::new(beside)),
            grpc: grpc.to_string(),
            http: https.first().context("no process")?.clone(),
            https,
            simulator,
            mailbox,
        })
    }

    async fn in_one(data: &Path, settings: &[String], log: Option<&File>) -> Result<Self> {
        let data = format!("common.data={}", data.display());
        let told: Vec<String> = settings.iter().cloned().chain([data]).collect();
        let mut child = Command::new(binary()?)
            .args(["dev", "--simulator", "127.0.0.1:0", "--mailbox", "127.0.0.1:0"])
            .args(["--set", "common.grpc=127.0.0.1:0", "--set", "common.http=127.0.0.1:0"])
            .args(told.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::piped())
            .stderr(crate::cluster::output(log)?)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut found = [const { String::new() }; 4];
        let read = async {
            while let Some(line) = lines.next_line().await? {
                let words: Vec<&str> = line.split_whitespace().collect();
                let address = |at: usize| {
                    let word = words.get(at).copied().unwrap_or_default().trim_start_matches("http://");
                    word.split('/').next().unwrap_or_default().to_owned()
                };
                match words.first().copied() {
                    Some("gRPC") => found[0] = address(1),
                    Some("tracking") => found[1] = address(1),
                    Some("simulator") => (found[2], found[3]) = (address(1), address(3)),
                    Some("data") => return Ok(()),
                    _ => {}
                }
            }
            bail!("it ended before it served")
        };
        tokio::time::timeout(DEADLINE, read).await.context("it does not come up")??;
        let [grpc, http, simulator, mailbox] = found;
        Ok(Self {
            children: vec![child],
            ran: Ran::InOne(told),
            grpc,
            https: vec![http.clone()],
            http,
            simulator,
            mailbox,
        })
    }

    /// A connection with the development token.
    ///
    /// # Errors
    /// Never, in fact: the address is one that was bound.
    pub fn client(&self) -> Result<Client> {
        let channel = Endpoint::from_shared(format!("http://{}", self.grpc))?.connect_lazy();
        Ok(InterceptedService::new(channel, TokenInterceptor))
    }

    /// What a command that works beside the processes of `service`, on its data, is to be told.
    pub fn settings(&self, service: &str) -> Vec<String> {
        match &self.ran {
            Ran::InOne(told) => told.clone(),
            Ran::InMany(recipe, _) => recipe.of(service).cloned().collect(),
        }
    }

    /// What all processes tell to Prometheus.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let mut told = String::new();
        for http in &self.https {
            told.push_str(&reqwest::get(format!("http://{http}/metrics")).await?.text().await?);
        }
        Ok(told)
    }

    /// Kills it as a power cut would: no signal handler runs.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn kill(mut self) -> Result<()> {
        self.children.iter_mut().try_for_each(Child::start_kill)?;
        for child in &mut self.children {
            child.wait().await?;
        }
        Ok(())
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// When it does not stop, or not with success.
    pub async fn stop(mut self) -> Result<()> {
        for child in &self.children {
            terminate(child).await?;
        }
        for child in &mut self.children {
            let status = tokio::time::timeout(DEADLINE, child.wait()).await.context("it does not stop")??;
            ensure!(status.success(), "it stopped with {status}");
        }
        Ok(())
    }

    /// Runs another command of the binary against this one and gives its standard output.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String> {
        let server = format!("http://{}", self.grpc);
        let output = Command::new(binary()?)
            .args(arguments)
            .args(["--server", &server])
            .current_dir(root())
            .output()
            .await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// Sends SIGTERM.
///
/// # Errors
/// When the process is gone already.
pub async fn terminate(child: &Child) -> Result<()> {
    let pid = child.id().context("it is gone already")?;
    let asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
    ensure!(asked.success(), "it could not be asked to stop");
    Ok(())
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Asks again and again until the answer is there.
///
/// # Errors
/// When it is not after a minute, with the last answer's text; or when asking fails.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Result<T, String>>>,
{
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let begin = tokio::time::Instant::now();
    loop {
        ticks.tick().await;
        match ask().await? {
            Ok(answer) => return Ok(answer),
            Err(last) if begin.elapsed() > DEADLINE => bail!("{what}: not after {DEADLINE:?}: {last}"),
            Err(_) => {}
        }
    }
}
