//! The manifests, run: the commands of `overlays/dev` as local processes, with exactly their arguments and environment,
//! on a PostgreSQL and a NATS of the test's own. A wrong name of a variable, a wrong port or probe fails here.
//!
//! What a cluster does is done here by hand: references are resolved, volumes are folders, and host names and ports, which
//! all pods of a cluster may have alike, are other ones on loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::{TempDir, tempdir};
use testkit::nats::NatsServer;
use testkit::postgres::Postgres;
use tests::platform::binary;
use tests::tools::run;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

use super::SERVICES;
use super::eyes::METRICS;
use super::image::variables;
use super::options::{environment, secret_value};
use super::rendered::{Object, objects};

/// Where things of a cluster are on this machine.
pub(super) struct Machine {
    objects: Vec<Object>,
    /// `host:port` of the cluster, and of this machine.
    pub(super) addresses: BTreeMap<String, String>,
    /// What stands before names of databases and roles in place of `guanxi_`, on a server that may not be only ours.
    prefix: String,
    pub(super) folder: TempDir,
    /// Ends with this value.
    _postgres: Postgres,
    _nats: Vec<NatsServer>,
}

/// A pod's process, killed when dropped.
pub(super) struct Pod {
    pub(super) name: String,
    container: Object,
    /// Where the pod's ports, by name, are on this machine.
    ports: BTreeMap<String, String>,
    grace: Duration,
    child: Child,
}

impl Machine {
    /// With PostgreSQL and `log` as these objects have them; `name` tells its databases from those of other machines.
    pub(super) async fn start(objects: Vec<Object>, log: Vec<NatsServer>, name: &str) -> Result<Self> {
        let folder = tempdir()?;
        let postgres = Postgres::start().await.map_err(|error| anyhow::anyhow!(error))?;
        let prefix = format!("{name}{}_", std::process::id());
        make_databases(&objects, postgres.admin(), &prefix, folder.path())?;
        let servers =
            log.iter().map(|server| Ok(host(&server.url())?.to_owned())).collect::<Result<Vec<_>>>()?;
        let mut addresses = BTreeMap::from([
            ("postgres:5432".to_owned(), host(postgres.admin())?.to_owned()),
            ("nats:4222".to_owned(), servers.first().context("no log")?.clone()),
        ]);
        for service in SERVICES {
            let address = format!("{}:{}", address_of(service)?, testkit::free_port()?);
            addresses.insert(format!("{service}:7700"), address);
        }
        Ok(Self { objects, addresses, prefix, folder, _postgres: postgres, _nats: log })
    }

    /// What a cluster would start for a workload: the image's entrypoint, the container's arguments, its environment and
    /// nothing of ours; and its ports.
    fn command(&self, workload: &Object) -> Result<(Command, BTreeMap<String, String>)> {
        let container = workload.container();
        let folders = self.folders(workload)?;
        let mut ports = BTreeMap::new();
        let mut variables: BTreeMap<String, String> = variables()?;
        for (name, value) in environment(&container, &self.objects)? {
            variables.insert(name.clone(), value.with_context(|| format!("{name} refers to nothing"))?);
        }
        for port in container.list("/ports") {
            let (name, number) = (port.text("/name").to_owned(), port.at("/containerPort").to_string());
            let here = match self.addresses.get(&format!("{}:{number}", workload.service())) {
                Some(address) => address.clone(),
                None => format!("127.0.0.1:{}", testkit::free_port()?),
            };
            for value in variables.values_mut().filter(|value| **value == format!("0.0.0.0:{number}")) {
                value.clone_from(&here);
            }
            ports.insert(name, here);
        }
        let mut command = Command::new(binary()?);
        command.env_clear().current_dir(self.folder.path()).kill_on_drop(true).stdin(Stdio::null());
        command.args(container.list("/args").iter().filter_map(|argument| argument.0.as_str()));
        for (name, value) in variables {
            command.env(name, self.moved(&value, &folders));
        }
        Ok((command, ports))
    }

    /// A value with this machine's addresses, databases and folders in it.
    fn moved(&self, value: &str, folders: &BTreeMap<String, PathBuf>) -> String {
        let mut value = value.to_owned();
        for (there, here) in &self.addresses {
            value = value.replace(there, here);
        }
        if value.starts_with("postgres:") {
            value = value.replace("guanxi_", &self.prefix);
        }
        match folders.iter().find(|(there, _)| value.starts_with(there.as_str())) {
            Some((there, here)) => value.replacen(there, &here.display().to_string(), 1),
            None => value,
        }
    }

    /// A folder for each mount: empty, or with the files of its Secret.
    fn folders(&self, workload: &Object) -> Result<BTreeMap<String, PathBuf>> {
        let mut folders = BTreeMap::new();
        let volumes = workload.list("/spec/template/spec/volumes");
        for mount in workload.container().list("/volumeMounts") {
            let here = self.folder.path().join(workload.name()).join(mount.text("/name"));
            std::fs::create_dir_all(&here)?;
            let volume = volumes.iter().find(|volume| volume.text("/name") == mount.text("/name"));
            let secret = volume.map(|volume| volume.text("/secret/secretName")).unwrap_or_default();
            let secret =
                self.objects.iter().find(|object| object.kind() == "Secret" && object.name() == secret);
            for key in secret
                .and_then(|secret| secret.at("/data").as_object())
                .into_iter()
                .flat_map(|data| data.keys())
            {
                std::fs::write(here.join(key), secret_value(secret.context("no Secret")?, key)?)?;
            }
            folders.insert(mount.text("/mountPath").to_owned(), here);
        }
        Ok(folders)
    }

    /// Runs all Jobs to their end, then starts all workloads, and waits until their probes answer as declared.
    pub(super) async fn run(&self) -> Result<Vec<Pod>> {
        let of_kind = |kinds: &'static [&'static str]| {
            self.objects.iter().filter(move |object| object.is_ours() && kinds.contains(&object.kind()))
        };
        for job in of_kind(&["Job"]) {
            self.finish(job).await?;
        }
        let workloads: Vec<&Object> = of_kind(&["Deployment", "StatefulSet"]).collect();
        let mut pods = workloads.iter().map(|workload| self.serve(workload)).collect::<Result<Vec<_>>>()?;
        ensure!(pods.len() == SERVICES.len(), "{} pods", pods.len());
        for pod in &mut pods {
            pod.comes_up().await.map_err(|error| self.explained(pod, error))?;
        }
        Ok(pods)
    }

    /// Asks all of them to stop: they say that they are not ready any more, and end well within their grace.
    pub(super) async fn stop(&self, mut pods: Vec<Pod>) -> Result<()> {
        let drain = Duration::from_secs(5);
        for pod in &pods {
            let process = pod.child.id().with_context(|| format!("{} has ended", pod.name))?;
            run(std::process::Command::new("kill").args(["-TERM", &process.to_string()]))?;
        }
        for pod in &mut pods {
            let left = pod.answers("readinessProbe", |status| status != Some(200), drain).await;
            left.map_err(|error| self.explained(pod, error))?;
            let ended = timeout(pod.grace, pod.child.wait()).await;
            let status = ended.with_context(|| format!("{} did not end within its grace", pod.name))??;
            ensure!(
                status.success(),
                self.explained(pod, anyhow::anyhow!("{} ended with {status}", pod.name))
            );
        }
        Ok(())
    }

    /// Runs a Job to its end.
    async fn finish(&self, job: &Object) -> Result<()> {
        let (mut command, _) = self.command(job)?;
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the Job {} ended with {}: {said}", job.name(), output.status);
        Ok(())
    }

    fn serve(&self, workload: &Object) -> Result<Pod> {
        let (mut command, ports) = self.command(workload)?;
        let output = std::fs::File::create(self.output(workload.name()))?;
        let child = command.stdout(output.try_clone()?).stderr(output).spawn()?;
        let grace = workload.at("/spec/template/spec/terminationGracePeriodSeconds").as_u64();
        Ok(Pod {
            name: workload.name().to_owned(),
            container: workload.container(),
            ports,
            grace: Duration::from_secs(grace.context("terminationGracePeriodSeconds")?),
            child,
        })
    }

    fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.output"))
    }

    /// Adds what a process said to an error.
    fn explained(&self, pod: &Pod, error: anyhow::Error) -> anyhow::Error {
        let said = std::fs::read_to_string(self.output(&pod.name)).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(20).collect();
        error.context(format!("{} said:\n{}", pod.name, end.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }
}

impl Pod {
    /// Asks as a probe does; the status of the answer, or none.
    async fn probe(&self, probe: &str) -> Result<Option<u16>> {
        let get = Object(self.container.at(&format!("/{probe}/httpGet")).clone());
        self.get(get.text("/port"), get.text("/path")).await.map(|answer| answer.map(|(status, _)| status))
    }

    pub(super) async fn get(&self, port: &str, path: &str) -> Result<Option<(u16, String)>> {
        let address = self.ports.get(port).with_context(|| format!("{} has no port {port}", self.name))?;
        match reqwest::get(format!("http://{address}{path}")).await {
            Ok(answer) => Ok(Some((answer.status().as_u16(), answer.text().await?))),
            Err(_) => Ok(None),
        }
    }

    /// Returns when all of its probes have answered.
    async fn comes_up(&mut self) -> Result<()> {
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            // Ready once those are there that it needs; a cluster waits for that without an end.
            let within = self.patience("startupProbe").max(self.patience(probe));
            self.answers(probe, |status| status == Some(200), within).await?;
        }
        Ok(())
    }

    /// Probes until an answer is wanted, for as long as the manifest gives it.
    async fn answers(
        &mut self,
        probe: &str,
        wanted: impl Fn(Option<u16>) -> bool,
        within: Duration,
    ) -> Result<()> {
        let (begin, mut ticks) = (Instant::now(), interval(Duration::from_millis(50)));
        loop {
            ticks.tick().await;
            let last = self.probe(probe).await?;
            if wanted(last) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended with {status} while its {probe} was awaited", self.name);
            }
            ensure!(begin.elapsed() < within, "{}: its {probe} answers {last:?} after {within:?}", self.name);
        }
    }

    /// How long a probe may fail before the cluster acts.
    fn patience(&self, probe: &str) -> Duration {
        let number = |field: &str| self.container.at(&format!("/{probe}/{field}")).as_u64().unwrap_or(3);
        Duration::from_secs(number("periodSeconds") * number("failureThreshold"))
    }
}

/// Runs `databases.sql` as the PostgreSQL of the overlay would, twice: it may be run again.
fn make_databases(objects: &[Object], admin: &str, prefix: &str, folder: &Path) -> Result<()> {
    let script = objects.iter().find_map(|object| object.at("/data/databases.sql").as_str());
    let file = folder.join("databases.sql");
    std::fs::write(&file, script.context("no databases.sql")?.replace("guanxi_", prefix))?;
    for _ in 0..2 {
        run(std::process::Command::new(psql())
            .args(["--no-psqlrc", "--quiet", "--dbname", admin, "--file"])
            .arg(&file)
            .env("GUANXI_DATABASE_PASSWORD", "dev"))?;
    }
    Ok(())
}

/// Debian keeps it apart from other programs, where only the server is installed.
fn psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin/psql"));
    programs.filter(|program| program.exists()).max().unwrap_or_else(|| "psql".into())
}

/// A NATS server with the overlay's settings, but for addresses and what only a newer server knows, and with these lines.
pub(super) fn broker(objects: &[Object], lines: &str) -> Result<NatsServer> {
    let settings =
        objects.iter().find_map(|object| object.at("/data/nats.conf").as_str()).context("no nats.conf")?;
    let secret = objects.iter().find(|object| object.kind() == "Secret" && object.name().starts_with("nats"));
    let password = secret_value(secret.context("no password")?, "password")?;
    let mut other = vec!["server_name:", "listen:", "http:"];
    if !testkit::nats::flushes_at_once() {
        other.push("sync_interval:");
    }
    let kept = settings.lines().filter(|line| !other.iter().any(|option| line.trim().starts_with(option)));
    let kept: Vec<&str> = kept.filter(|line| !line.trim().starts_with('#')).chain([lines]).collect();
    let settings = kept.join("\n").replace("/data", "STORE").replace("$NATS_PASSWORD", &password);
    NatsServer::start_with(&settings).map_err(|error| anyhow::anyhow!(error))
}

/// Where the name of a service leads on this machine, to an address of its own: a certificate of another service does not
/// fit it.
pub(super) fn address_of(service: &str) -> Result<String> {
    let number = SERVICES.iter().position(|known| *known == service).context("no such service")?;
    Ok(format!("127.0.1.{}", number + 1))
}

/// `host:port` of a URL.
fn host(url: &str) -> Result<&str> {
    let (_, rest) = url.split_once("://").context("no URL")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().context("no host")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_run_and_answer_as_declared() -> Result<()> {
    let objects = objects("dev")?;
    let log = vec![broker(&objects, "")?];
    let machine = Machine::start(objects, log, "dev").await?;
    let pods = machine.run().await?;
    let told = metrics(&pods).await?;
    machine.stop(pods).await?;
    metrics_are_told(&told)
}

/// What all processes tell to Prometheus.
async fn metrics(pods: &[Pod]) -> Result<String> {
    let mut told = String::new();
    for pod in pods {
        // What nobody has asked for yet has no sample: ingest takes tracking calls, and not this method.
        pod.get("http", "/v1/track").await?;
        let answer = pod.get("http", "/metrics").await?;
        let (status, text) = answer.with_context(|| format!("{} tells no metrics", pod.name))?;
        ensure!(status == 200, "{}: /metrics answers {status}", pod.name);
        told.push_str(&text);
    }
    Ok(told)
}

/// Dashboards and alerts ask for what the processes tell.
fn metrics_are_told(told: &str) -> Result<()> {
    // Nobody has called by gRPC here; tests/scenarios/metrics.rs has.
    let without_calls = |metric: &&&str| metric.starts_with("guanxi_") && !metric.starts_with("guanxi_rpc_");
    for metric in METRICS.iter().filter(without_calls) {
        // A family of counters or histograms is described before its first sample.
        let family = metric.trim_end_matches("_total").trim_end_matches("_bucket");
        ensure!(told.contains(&format!("# TYPE {family} ")), "no process tells {metric}");
    }
    Ok(())
}
