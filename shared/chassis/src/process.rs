//! Runs any set of services in one process: start, serve, drain.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::Log;
use futures::future::{BoxFuture, join_all};
use kernel::{Activity, Clock, Error, Ids, Kind, Result, Workspaces};
use store::{Database, Leases, Migrations, Relay, Tenant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tower::Layer as _;
use wire::audit::audit_service_server::AuditServiceServer;

use crate::auth::Authenticator;
use crate::config::{Common, Layers, Settings};
use crate::limit::WorkspaceCalls;
use crate::metrics::Metrics;
use crate::ready::Ready;
use crate::rpc::{self, Rpc, Scopes, StackLayer, Switchboard};
use crate::service::{Context, Parts, Service};
use crate::tasks::Tasks;
use crate::tls::Tls;
use crate::{audit, event_log, http, status};

type Start = Box<dyn for<'a> FnOnce(&'a mut Process) -> BoxFuture<'a, Result<()>> + Send>;

/// The services of a process, and their settings.
#[derive(Default)]
pub struct Assembly {
    /// Where settings come from.
    pub layers: Layers,
    starts: Vec<Start>,
    schemas: Vec<(&'static str, Migrations)>,
}

impl Assembly {
    /// No services yet.
    pub fn new(layers: Layers) -> Self {
        Self { layers, starts: Vec::new(), schemas: Vec::new() }
    }

    /// Adds a service.
    #[must_use]
    pub fn with<S: Service>(mut self) -> Self {
        self.layers = self.layers.with::<S>();
        self.schemas.push((S::NAME, S::migrations));
        self.starts.push(Box::new(|process| Box::pin(process.start::<S>())));
        self
    }

    /// Brings the schemas of all of them up to date, each as the owner of its tables; says how many migrations each
    /// took.
    ///
    /// # Errors
    /// What the settings or a database says.
    pub async fn migrate(&self) -> Result<Vec<(&'static str, usize)>> {
        let settings = self.layers.merge()?;
        let mut done = Vec::new();
        for (service, migrations) in &self.schemas {
            done.push((
                *service,
                Database::migrate(service, &settings.database(service)?, *migrations).await?,
            ));
        }
        Ok(done)
    }

    /// The databases of all of them, beside the processes that run on them.
    ///
    /// # Errors
    /// What the settings or a database says; [`Kind::Precondition`] for a file that is not there.
    pub async fn databases(&self, clock: &Clock) -> Result<Vec<(&'static str, Database)>> {
        let settings = self.layers.merge()?;
        let mut found = Vec::new();
        for (service, migrations) in &self.schemas {
            let database = settings.database(service)?;
            let file = database.url.expose().strip_prefix("sqlite:").map(Path::new);
            if let Some(missing) = file.filter(|file| !file.exists()) {
                let message = format!(
                    "{service} has no database at {}; name the folder or database that the platform runs on: \
                     --set common.data=…, --config, or its environment",
                    missing.display()
                );
                return Err(Error::precondition("DATABASE_MISSING", message));
            }
            found.push((*service, Database::open(service, &database, *migrations, clock).await?));
        }
        Ok(found)
    }

    /// Starts all of them and serves.
    ///
    /// # Errors
    /// What the settings, the log, a service or its database says.
    pub async fn launch(self, clock: Clock) -> Result<Running> {
        let mut process = Process::new(self.layers.merge()?, clock).await?;
        for start in self.starts {
            start(&mut process).await?;
        }
        process.serve().await
    }
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("layers", &self.layers).finish_non_exhaustive()
    }
}

/// A process being put together.
#[derive(Debug)]
pub struct Process {
    common: Common,
    settings: Settings,
    clock: Clock,
    ids: Ids,
    log: Arc<dyn Log>,
    rpc: Rpc,
    authenticator: Authenticator,
    tls: Tls,
    switchboard: Switchboard,
    tasks: Tasks,
    activity: Activity,
    workspaces: Workspaces,
    calls: WorkspaceCalls,
    metrics: Metrics,
    databases: Vec<(&'static str, Database)>,
    parts: Vec<(&'static str, Parts)>,
}

impl Process {
    /// Opens the log and prepares everything that services share.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for wrong settings or a data directory that is in use or cannot be written.
    pub async fn new(settings: Settings, clock: Clock) -> Result<Self> {
        let common: Common = settings.section("common")?;
        let tls = Tls::open(&common.tls, "common.tls.", clock.clone())?;
        let authenticator = Authenticator::open(&common, &clock).await?;
        let log = event_log::open(&common, &clock).await?;
        let (switchboard, tasks) = (Switchboard::default(), Tasks::default());
        Ok(Self {
            rpc: Rpc::new(switchboard.clone(), &common, (&tls, &authenticator, &clock), &tasks)?,
            authenticator,
            tls,
            workspaces: common.workspaces()?,
            calls: WorkspaceCalls::new(&common, &clock),
            ids: Ids::new(clock.clone()),
            tasks,
            activity: Activity::default(),
            metrics: Metrics::default(),
            databases: Vec::new(),
            parts: Vec::new(),
            common,
            settings,
            clock,
            log,
            switchboard,
        })
    }

    /// The way to the services, usable once the process runs.
    pub fn rpc(&self) -> Rpc {
        self.rpc.clone()
    }

    /// Connects, migrates and wires one service.
    ///
    /// # Errors
    /// What the service or its database says.
    pub async fn start<S: Service>(&mut self) -> Result<()> {
        let config: S::Config = self.settings.section(S::NAME)?;
        let database = self.settings.database(S::NAME)?;
        let db = Database::open(S::NAME, &database, S::migrations, &self.clock).await?;
        let relay = Relay {
            db: db.clone(),
            log: self.log.clone(),
            producer: S::NAME.into(),
            activity: self.activity.clone(),
        };
        self.tasks.spawn(format!("{} relay", S::NAME), relay.run());
        self.databases.push((S::NAME, db.clone()));
        let leases = Leases::new(&db);
        self.metrics.watch(S::NAME, &db, &leases, &self.clock);
        let context = Context {
            service: S::NAME,
            leases: leases.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            db,
            log: self.log.clone(),
            retention: self.common.bus.retention()?,
            rpc: self.rpc.used_by(S::NAME),
            tasks: self.tasks.clone(),
            activity: self.activity.clone(),
            workspaces: self.workspaces.clone(),
            calls: self.calls.clone(),
            metrics: self.metrics.clone(),
            folder: self.common.data.join(S::NAME),
            dev: self.common.dev,
        };
        let parts = Tenant::Platform.scope(S::start(config, context)).await?;
        self.tasks.spawn(format!("{} leases", S::NAME), leases.run());
        self.parts.push((S::NAME, parts));
        Ok(())
    }

    /// Binds the ports and serves.
    ///
    /// # Errors
    /// [`Kind::Precondition`] when a port is taken.
    pub async fn serve(self) -> Result<Running> {
        let Self {
            common,
            tasks,
            activity,
            calls,
            metrics,
            switchboard,
            mut parts,
            databases,
            rpc: ways,
            log,
            authenticator,
            tls,
            clock,
            ..
        } = self;
        let drain = kernel::time::parse_duration(&common.drain)
            .map_err(|message| Error::precondition("CONFIG_INVALID", format!("common.drain: {message}")))?;
        let changes = audit::Api { databases: databases.clone() };
        let closing = databases.iter().map(|(_, db)| db.clone()).collect();
        let needs_log = parts.iter().any(|(_, parts)| parts.needs_log);
        let conditions =
            parts.iter_mut().flat_map(|(_, parts)| std::mem::take(&mut parts.conditions)).collect();
        let ready = Ready::new(log.clone(), databases, needs_log, conditions);
        tasks.spawn("key set", authenticator.clone().keep_fresh());
        let gate = rpc::Gate::new(&common, &clock, calls);
        let (routes, web, health) = assemble(parts, changes, &metrics, &ready, &gate).await?;
        let layer = StackLayer { authenticator, scopes: Scopes::load()?, metrics: metrics.clone(), gate };
        switchboard.bind(layer.layer(routes.clone()));
        let grpc = bind(common.grpc, "common.grpc").await?;
        let web_listener = bind(common.http, "common.http").await?;
        let (grpc_address, http_address) = (address(&grpc)?, address(&web_listener)?);
        let stop = CancellationToken::new();
        let servers = tokio_util::task::TaskTracker::new();
        let incoming = rpc::incoming(grpc, tls);
        let server = rpc::server()
            .layer(layer)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        servers.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(error = %status::chain(&error), "gRPC ended");
            }
        });
        servers.spawn(http::serve(web_listener, web, http::PATIENCE, servers.clone(), stop.clone()));
        servers.close();
        tasks.open();
        Ok(Running {
            grpc: grpc_address,
            http: http_address,
            rpc: ways,
            log,
            activity,
            metrics,
            tasks,
            switchboard,
            ready,
            health,
            drain,
            stop,
            servers,
            databases: closing,
        })
    }
}

async fn assemble(
    parts: Vec<(&'static str, Parts)>,
    changes: audit::Api,
    metrics: &Metrics,
    ready: &Ready,
    gate: &rpc::Gate,
) -> Result<(Routes, axum::Router, Health)> {
    let mut builder = RoutesBuilder::default();
    let mut web = http::routes(metrics.clone(), ready.clone());
    let mut names = vec![""];
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let unserved = |cause| Error::internal("the descriptors cannot be served").caused_by(cause);
    builder
        .add_service(health)
        .add_service(reflection().build_v1().map_err(unserved)?)
        // Python's client, among others, still asks for this one.
        .add_service(reflection().build_v1alpha().map_err(unserved)?)
        .add_service(AuditServiceServer::new(changes));
    for (name, part) in parts {
        for add in part.grpc {
            add(&mut builder);
        }
        web = web.merge(part.http);
        reporter.set_service_status(name, tonic_health::ServingStatus::Serving).await;
        names.push(name);
    }
    Ok((
        builder.routes().prepare(),
        http::observed(http::closed(web), metrics.clone(), gate.clone(), ready.clone()),
        Health { reporter, names },
    ))
}

/// What `grpc.health.v1` says.
struct Health {
    reporter: tonic_health::server::HealthReporter,
    /// The process itself, named by nothing, and its services.
    names: Vec<&'static str>,
}

impl Health {
    async fn drain(&self) {
        for name in &self.names {
            self.reporter.set_service_status(*name, tonic_health::ServingStatus::NotServing).await;
        }
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("names", &self.names).finish_non_exhaustive()
    }
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        let message =
            format!("{address} cannot be used: {cause}; choose another with --set {option}=127.0.0.1:0");
        Error::new(Kind::Precondition, "ADDRESS_IN_USE", message).caused_by(cause)
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|cause| Error::internal("a listener has no address").caused_by(cause))
}

/// A process that serves.
#[derive(Debug)]
pub struct Running {
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// The way to the services from within.
    pub rpc: Rpc,
    /// The event log.
    pub log: Arc<dyn Log>,
    /// Who is at work.
    pub activity: Activity,
    /// Metrics of the process.
    pub metrics: Metrics,
    tasks: Tasks,
    switchboard: Switchboard,
    ready: Ready,
    health: Health,
    drain: Duration,
    stop: CancellationToken,
    servers: tokio_util::task::TaskTracker,
    databases: Vec<Database>,
}

/// Calls that are open when the process stops get this long to finish.
const GRACE: Duration = Duration::from_secs(10);
/// Connections to databases get this long to come to rest.
const CLOSING: Duration = Duration::from_secs(2);

impl Drop for Running {
    /// Services hold the way to each other and are held by it: parted here, databases are let go of, once background work
    /// has ended, which would go on for ever.
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.give_up();
        self.switchboard.unbind();
        self.metrics.unwatch();
    }
}

impl Running {
    /// Says that it is not ready any more and goes on serving for a while (`common.drain`), so that nobody sends it new
    /// work; then stops accepting, finishes open calls, ends the background work, and closes the databases.
    pub async fn shutdown(self) {
        self.ready.drain();
        self.health.drain().await;
        tokio::time::sleep(self.drain).await;
        self.stop.cancel();
        if tokio::time::timeout(GRACE, self.servers.wait()).await.is_err() {
            tracing::warn!("open calls were cut off after {GRACE:?}");
        }
        self.tasks.stop().await;
        let closed = join_all(self.databases.iter().map(Database::close));
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("connections to databases were cut off after {CLOSING:?}");
        }
    }
}
