//! What a service is to the process that runs it, and what it is given.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus::{Log, Stream};
use kernel::{Activity, Clock, Error, Ids, Result, Time, Workspaces};
use sea_orm_migration::MigrationTrait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Applied, Consumer, Database, Handler, Leases};
use tonic::service::RoutesBuilder;

use crate::job::Alarm;
use crate::limit::WorkspaceCalls;
use crate::metrics::Metrics;
use crate::rpc::Rpc;
use crate::tasks::Tasks;
use crate::trace::Traced;

/// How often a job looks for what other processes have written.
const GLANCE: Duration = Duration::from_millis(100);

/// One of the platform's services.
pub trait Service: Send + Sync + 'static {
    /// Its name: the section of its configuration, its database, the producer of its events.
    const NAME: &'static str;
    /// Its `config.toml`: every option, its default, a comment.
    const DEFAULTS: &'static str;
    /// Its section, as read.
    type Config: Serialize + DeserializeOwned + Send;

    /// Its schema.
    fn migrations() -> Vec<Box<dyn MigrationTrait>>;

    /// Wires it: registers consumers and jobs with the context and answers with its routes.
    fn start(config: Self::Config, cx: Context) -> impl Future<Output = Result<Parts>> + Send;
}

/// Everything ambient: nothing reads a global.
#[derive(Clone, Debug)]
pub struct Context {
    /// The service's name.
    pub service: &'static str,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: Ids,
    /// The service's own database.
    pub db: Database,
    /// What of the service's work is this process's.
    pub leases: Leases,
    /// The event log.
    pub log: Arc<dyn Log>,
    /// How long events stay there.
    pub retention: Duration,
    /// The way to other services.
    pub rpc: Rpc,
    /// Background work.
    pub tasks: Tasks,
    /// Who is at work.
    pub activity: Activity,
    /// Time zones.
    pub workspaces: Workspaces,
    /// How often each workspace calls: what comes otherwise than by gRPC is counted there by the service.
    pub calls: WorkspaceCalls,
    /// Metrics of the process.
    pub metrics: Metrics,
    /// Folder for files of the service's own, below the data directory; made on demand.
    pub folder: PathBuf,
    /// Whether this is development mode: the write key `dev` is accepted.
    pub dev: bool,
}

impl Context {
    /// Refuses a time for which events of the log are relied on, if they may be gone by then.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names both options.
    pub fn relies_on_log(&self, option: &str, length: Duration) -> Result<()> {
        if length <= self.retention / 2 {
            return Ok(());
        }
        let message = format!(
            "{option}: what happened for {length:?} is read again from the log after a crash, and the log keeps it for {:?} \
             (common.bus.retention); write at most half of that",
            self.retention
        );
        Err(Error::precondition("CONFIG_INVALID", message))
    }

    /// Applies `stream` to the service's database with `handler`, `batch` events in one transaction at the most.
    pub fn consume<H: Handler>(&self, stream: Stream, handler: Arc<H>, batch: usize) -> Applied {
        let consumer = Consumer {
            db: self.db.clone(),
            log: self.log.clone(),
            stream,
            service: self.service,
            handler: Arc::new(Traced::new(self.service, handler)),
            batch,
            activity: self.activity.clone(),
            leases: self.leases.clone(),
        };
        let applied = consumer.applied();
        self.metrics.watch_consumer(self.service, stream, &applied);
        self.tasks.spawn(format!("{} consumer", self.service), consumer.run(applied.clone()));
        applied
    }

    /// Runs a job (see [`Alarm::run`]) in one process of the service at a time. It looks often for what other processes
    /// wrote, so that looking must cost little; what only time makes due is a [`Context::timed_job`].
    pub fn job<W, F>(&self, name: &str, alarm: Alarm, work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        self.leased_job(name, name, alarm, work);
    }

    /// The same; all jobs of one `lease` run in the same process.
    pub fn leased_job<W, F>(&self, lease: &str, name: &str, alarm: Alarm, work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        // Other processes write what this one is to work on, and cannot ring its alarm.
        let glance = self.db.is_shared().then_some(GLANCE);
        self.spawn_leased(lease, name, alarm, glance, work);
    }

    /// Runs a job in one process of the service at a time, when it says and when this process rings, and no other time:
    /// nothing that other processes write makes it due.
    pub fn timed_job<W, F>(&self, name: &str, alarm: Alarm, work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        self.spawn_leased(name, name, alarm, None, work);
    }

    fn spawn_leased<W, F>(&self, lease: &str, name: &str, alarm: Alarm, glance: Option<Duration>, mut work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        let (leases, lease) = (self.leases.clone(), format!("job {lease}"));
        leases.want(&lease);
        let label = lease.strip_prefix("job ").unwrap_or(name);
        self.metrics.watch_job(self.service, label, Some(&lease), &alarm);
        let leased = move || {
            let (leases, lease, work) = (leases.clone(), lease.clone(), work());
            async move { leases.acquired(&lease).await.scope(work).await }
        };
        self.spawn_job(name, alarm, glance, leased);
    }

    /// The same in every process of the service.
    pub fn own_job<W, F>(&self, name: &str, alarm: Alarm, work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        self.metrics.watch_job(self.service, name, None, &alarm);
        self.spawn_job(name, alarm, None, work);
    }

    fn spawn_job<W, F>(&self, name: &str, alarm: Alarm, glance: Option<Duration>, work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Option<Time>>> + Send + 'static,
    {
        let name = format!("{} {name}", self.service);
        let job = alarm.run(name.clone(), self.clock.clone(), self.activity.clone(), glance, work);
        self.tasks.spawn(name, job);
    }
}

type AddService = Box<dyn FnOnce(&mut RoutesBuilder) + Send>;

/// What a started service serves.
#[derive(Default)]
pub struct Parts {
    pub(crate) grpc: Vec<AddService>,
    pub(crate) http: axum::Router,
    pub(crate) needs_log: bool,
    pub(crate) conditions: Vec<Condition>,
}

/// What must hold for calls to be answered, and what is said when it does not.
pub(crate) struct Condition {
    pub(crate) missing: &'static str,
    pub(crate) holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl Parts {
    /// Adds a gRPC service: `|routes| routes.add_service(SomethingServer::new(api))`.
    #[must_use]
    pub fn grpc(mut self, add: impl FnOnce(&mut RoutesBuilder) + Send + 'static) -> Self {
        self.grpc.push(Box::new(add));
        self
    }

    /// Nothing of it works without the log: a process that has lost that is not ready.
    #[must_use]
    pub fn needs_log(self) -> Self {
        Self { needs_log: true, ..self }
    }

    /// A process in which this does not hold is not ready; `missing` says why not.
    #[must_use]
    pub fn ready_when(
        mut self,
        missing: &'static str,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.conditions.push(Condition { missing, holds: Box::new(holds) });
        self
    }

    /// Adds HTTP routes.
    #[must_use]
    pub fn http(mut self, routes: axum::Router) -> Self {
        self.http = self.http.merge(routes);
        self
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("grpc", &self.grpc.len()).finish_non_exhaustive()
    }
}
