//! Makes connections to one address of a service.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::connection::Connection;
use super::standing::Standing;
use crate::tls::Tls;

/// For connecting and agreeing on TLS.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure, attempts fail alike so long without being made: calls that queue up for an address which does not
/// answer would otherwise wait for one another.
const REST: Duration = Duration::from_millis(250);

/// No connection came about: nothing of a call was sent.
#[derive(Clone, Debug)]
pub(super) struct NotConnected(pub Arc<str>);

impl std::fmt::Display for NotConnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotConnected {}

/// Connects to one address. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    address: SocketAddr,
    /// Certificates, and the name that the other side's must be for; `None`: plain.
    tls: Option<(Tls, ServerName<'static>)>,
    failed: Arc<Mutex<Option<(Instant, NotConnected)>>>,
    standing: Arc<Standing>,
}

impl Connector {
    pub(super) fn new(
        address: SocketAddr,
        tls: Option<(Tls, ServerName<'static>)>,
        standing: Arc<Standing>,
    ) -> Self {
        Self { address, tls, failed: Arc::default(), standing }
    }

    /// Connects, unless that failed just now.
    ///
    /// # Errors
    /// What is in the way.
    pub(super) async fn connect(&self) -> Result<Connection, NotConnected> {
        if let Some((when, why)) = self.last_failure()
            && when.elapsed() < REST
        {
            return Err(why);
        }
        let outcome = tokio::time::timeout(PATIENCE, self.attempt())
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {PATIENCE:?}")))
            .map_err(|flaw| NotConnected(format!("{}: {flaw}", self.address).into()));
        let failure = outcome.as_ref().err().map(|why| (Instant::now(), why.clone()));
        if let Some((_, why)) = &failure
            && self.last_failure().is_none()
        {
            tracing::warn!(%why, "a service cannot be reached at one of its addresses");
        }
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        outcome
    }

    fn last_failure(&self) -> Option<(Instant, NotConnected)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn attempt(&self) -> Result<Connection, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|cause| cause.to_string())?;
        let _prompt = stream.set_nodelay(true).is_ok();
        let Some((tls, name)) = &self.tls else { return Ok(Connection::plain(stream)) };
        let config = tls.client().ok_or("common.tls.authority is not set")?;
        let sealed = TlsConnector::from(config)
            .connect(name.clone(), stream)
            .await
            .map_err(|cause| format!("TLS with {}: {cause}", name.to_str()))?;
        Ok(Connection::sealed(sealed))
    }
}

impl Service<http::Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = NotConnected;
    type Future = BoxFuture<'static, Result<Self::Response, NotConnected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connection = connector.connect().await?;
            Ok(TokioIo::new(connection.watched(connector.standing.clone())))
        })
    }
}
