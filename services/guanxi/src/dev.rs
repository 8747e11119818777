//! `guanxi dev`: every service and the platform simulator in one process, bound to loopback.

use std::net::SocketAddr;

use chassis::Running;
use kernel::{Clock, Error, Result};
use simulator::Simulator;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::apply::Defaults;
use crate::cli::{Dev, Run, World};
use crate::stop::Stop;
use crate::{assembly, serve, ui};

/// Secrets of the simulator's official account. They open nothing real.
pub(crate) const OA_SECRET: &str = "guanxi-demo-secret";
pub(crate) const OA_TOKEN: &str = "guanxi-demo-token";
pub(crate) const OA_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// Everything that runs in development.
#[derive(Debug)]
pub(crate) struct Platform {
    /// The services.
    pub(crate) running: Running,
    /// Where the simulator answers.
    pub(crate) simulator: SocketAddr,
    mailbox: SocketAddr,
    stop: CancellationToken,
    servers: TaskTracker,
}

/// Runs until SIGTERM or Ctrl-C, then drains.
///
/// # Errors
/// What starting says.
pub(crate) async fn run(Dev { world, run: mut options }: Dev) -> Result<()> {
    options.set.insert(0, "common.dev=true".to_owned());
    let assembly = assembly::of(&["all".to_owned()], &options)?;
    if serve::print_config(&assembly, &options)? {
        return Ok(());
    }
    let common = assembly.layers.merge()?.section::<chassis::config::Common>("common")?;
    let _telemetry = chassis::telemetry::install(&common.log, &common.telemetry, "guanxi")?;
    let mut stop = Stop::listen()?;
    let launching = Box::pin(Platform::launch(&options, &world, Clock::system()));
    let Some(platform) = stop.unless(launching).await? else {
        return Ok(());
    };
    platform.describe(&common.data);
    stop.asked().await;
    platform.shutdown().await;
    Ok(())
}

impl Platform {
    /// Starts everything on `clock`.
    ///
    /// # Errors
    /// What starting says.
    pub(crate) async fn launch(options: &Run, world: &World, clock: Clock) -> Result<Self> {
        let assembly = assembly::of(&["all".to_owned()], options)?;
        let simulator = Simulator::new(simulator::Options::new(clock.clone(), 1)?)?;
        // Settings are checked before anything of the outside world is bound.
        let running = assembly.launch(clock).await?;
        let ((listener, address), (mailbox, mail_address)) =
            (bind(world.simulator).await?, bind(world.mailbox).await?);
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        let web = simulator.clone().serve(listener, stop.clone().cancelled_owned());
        let mail = simulator.serve_mail(mailbox, stop.clone().cancelled_owned());
        servers.spawn(async move {
            if let Err(error) = futures::future::try_join(web, mail).await {
                tracing::error!(%error, "the simulator ended");
            }
        });
        servers.close();
        Ok(Self { running, simulator: address, mailbox: mail_address, stop, servers })
    }

    /// Where the pretended outside world is, as the environment variables that `deploy/workspaces/retail` asks for.
    pub(crate) fn world(&self) -> Defaults {
        let simulator = format!("http://{}", self.simulator);
        let mut world = secrets();
        world.extend([
            ("OA_BASE_URL".to_owned(), simulator.clone()),
            ("APP_PUSH_URL".to_owned(), format!("{simulator}/_sim/webhook/app")),
            ("SMTP_PORT".to_owned(), self.mailbox.port().to_string()),
        ]);
        world
    }

    /// Says where everything is.
    pub(crate) fn describe(&self, data: &std::path::Path) {
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        ui::say(format!(
            "gRPC       {}   token `dev`, workspace `demo`; reflection is on",
            self.running.grpc
        ));
        ui::say(format!("tracking   http://{}/v1/…   write key `dev`", self.running.http));
        ui::say(format!("metrics    http://{}/metrics", self.running.http));
        ui::say(format!("simulator  http://{}/_sim/…   mailbox {}", self.simulator, self.mailbox));
        ui::say(format!("data       {}", data.display()));
    }

    /// Drains and ends.
    pub(crate) async fn shutdown(self) {
        self.running.shutdown().await;
        self.stop.cancel();
        self.servers.wait().await;
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let taken = |cause: std::io::Error| {
        let message = format!("{address} is taken ({cause}); is another `guanxi dev` running?");
        Error::precondition("ADDRESS_IN_USE", message)
    };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let bound = listener.local_addr().map_err(taken)?;
    Ok((listener, bound))
}

/// What `deploy/workspaces/retail` asks for and has no defaults for, since whoever knows these can sign callbacks: for
/// platforms in development only.
pub(crate) fn secrets() -> Defaults {
    let secrets = [
        ("OA_SECRET", OA_SECRET),
        ("OA_TOKEN", OA_TOKEN),
        ("OA_AES_KEY", OA_AES_KEY),
        ("APP_PUSH_SECRET", "guanxi-demo-push"),
    ];
    secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
