//! A WeChat Official Account platform in memory: the same paths, errors, quotas, signatures and callbacks, without
//! the platform. Development and tests point a connector's `base_url` at it.
//!
//! Two sides: `/cgi-bin/*` is what the connector calls; `/_sim/*` acts as user and administrator and shows what
//! happened. No code is shared with the connector, so that both cannot be wrong in the same way. The protocol facts
//! are the public documentation's, their numbers those of `services/messaging/limits/wechat_oa.toml`.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use kernel::{Clock, Error, Result};
use tokio::net::TcpListener;

use crate::state::Shared;

mod account;
mod action;
mod callback;
mod control;
mod crypto;
mod fault;
pub mod limits;
mod mail;
mod platform;
mod refusal;
mod reply;
mod seeded;
mod state;
mod token;
pub mod window;
mod xml;

pub use limits::Limits;

/// How to set up a simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tells all time: expiry, windows, stamps. Only network time-outs and ordered delays are real.
    pub clock: Clock,
    /// Decides openids, message ids, tokens and nonces.
    pub seed: u64,
    /// Quotas; [`Limits::current`] for the platform's own.
    pub limits: Limits,
    /// Most records kept of each kind (requests, deliveries, messages, webhooks per sink); the oldest go first.
    pub keep: usize,
}

impl Options {
    /// The platform's own quotas, 10,000 records of each kind.
    ///
    /// # Errors
    /// The limits file is broken.
    pub fn new(clock: Clock, seed: u64) -> Result<Self> {
        Ok(Self { clock, seed, limits: Limits::current()?, keep: 10_000 })
    }
}

/// The platform. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Simulator {
    shared: Arc<Shared>,
}

impl Simulator {
    /// An empty platform: accounts are made through `POST /_sim/wechat_oa/accounts`.
    ///
    /// # Errors
    /// The HTTP client for callbacks cannot be built.
    pub fn new(options: Options) -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::internal("no HTTP client for callbacks").caused_by(error))?;
        Ok(Self { shared: Arc::new(Shared::new(options, client)) })
    }

    /// Both sides, to serve anywhere.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/cgi-bin/{*path}", any(platform::serve))
            .merge(control::router())
            .with_state(self.shared.clone())
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(shutdown)
            .await
            .map_err(|error| Error::unavailable("the simulator's listener failed").caused_by(error))
    }

    /// Serves the mailbox, an SMTP server, until `shutdown`; `GET /_sim/mail` shows what came.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve_mail(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        mail::serve(self.shared, listener, shutdown).await
    }
}
