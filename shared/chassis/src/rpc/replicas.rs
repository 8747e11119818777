//! All addresses behind a service's name, and the choice among them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kernel::{Error, Result};
use rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};

use super::connector::Connector;
use super::directory::Directory;
use super::standing::{self, Standing};
use crate::tls::Tls;

/// A call that is given up after so long without an answer speaks against the address.
const PATIENT: Duration = Duration::from_secs(1);
/// A connection on which nothing comes is asked whether its other end lives …
const PING: Duration = Duration::from_secs(1);
/// … and is given up with all its calls when that does not say so within this: a process that stands still goes on
/// taking connections and calls, and answers none. Together as long as a lease holds.
const PONG: Duration = Duration::from_secs(4);

/// A service's names and the addresses behind them.
#[derive(Debug)]
pub(super) struct Replicas {
    names: Vec<Name>,
    directory: Directory,
    known: RwLock<Arc<[Arc<Replica>]>>,
    next: AtomicUsize,
}

/// A host that stands for one or more replicas.
#[derive(Debug)]
struct Name {
    host: String,
    port: u16,
    origin: http::Uri,
    /// Certificates, and the name that theirs must be for.
    tls: Option<(Tls, ServerName<'static>)>,
}

/// One address.
#[derive(Debug)]
pub(super) struct Replica {
    /// Which of the names stands for it.
    name: usize,
    pub address: SocketAddr,
    pub connector: Connector,
    pub channel: Channel,
    calls: AtomicUsize,
    standing: Arc<Standing>,
}

/// A call to a replica that is under way.
#[derive(Debug)]
pub(super) struct Taken {
    pub replica: Arc<Replica>,
    begun: Instant,
    settled: bool,
}

impl Taken {
    fn new(replica: Arc<Replica>) -> Self {
        replica.calls.fetch_add(1, Ordering::Relaxed);
        Self { replica, begun: Instant::now(), settled: false }
    }

    /// There was an answer, or a failure.
    pub(super) fn settle(&mut self, answered: bool) {
        self.settled = true;
        if answered {
            self.replica.standing.forgive();
        } else {
            self.replica.standing.avoid(standing::FAILED);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.replica.calls.fetch_sub(1, Ordering::Relaxed);
        // Its time was over, or who called has gone: until the connection is known to live or not.
        if !self.settled && self.begun.elapsed() >= PATIENT {
            self.replica.standing.avoid(PING + PONG);
        }
    }
}

impl Name {
    /// Of `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(address: &str, tls: &Tls) -> Result<Self, &'static str> {
        const FORM: &str = "is not an address; write http://host:port or https://host:port";
        let origin: http::Uri = address.parse().map_err(|_| FORM)?;
        let host = origin.host().ok_or(FORM)?.trim_matches(['[', ']']).to_owned();
        let (port, sealed) = match (origin.scheme_str(), origin.port_u16()) {
            (Some("https"), port) => (port.unwrap_or(443), true),
            (Some("http"), port) => (port.unwrap_or(80), false),
            _ => return Err(FORM),
        };
        if sealed && tls.client().is_none() {
            return Err(
                "is to be reached by TLS: name the authority that signs its certificate (common.tls.authority, --authority)",
            );
        }
        let name = || ServerName::try_from(host.clone()).map_err(|_| FORM);
        let tls = if sealed { Some((tls.clone(), name()?)) } else { None };
        Ok(Self { host, port, origin, tls })
    }

    fn replica(&self, name: usize, address: SocketAddr) -> Replica {
        let standing = Arc::new(Standing::default());
        let connector = Connector::new(address, self.tls.clone(), standing.clone());
        // The scheme is ours to speak (the connector seals); tonic would seal once more.
        let endpoint = Endpoint::from_static("http://replica")
            .origin(self.origin.clone())
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(true)
            .initial_connection_window_size(super::server::CONNECTION_WINDOW)
            .initial_stream_window_size(super::server::CALL_WINDOW);
        let channel = endpoint.connect_with_connector_lazy(connector.clone());
        Replica { name, address, connector, channel, calls: AtomicUsize::new(0), standing }
    }
}

impl Replicas {
    /// Of `http://host:port` or `https://host:port`, or several with commas between them; `option` is what named it.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] for an address that is none, and for TLS without authorities.
    pub(super) fn new(option: &str, addresses: &str, tls: &Tls, directory: Directory) -> Result<Self> {
        let parse = |address: &str| {
            Name::parse(address.trim(), tls).map_err(|flaw| {
                Error::precondition("CONFIG_INVALID", format!("{option}: `{}` {flaw}", address.trim()))
            })
        };
        let names = addresses.split(',').map(parse).collect::<Result<_>>()?;
        Ok(Self { names, directory, known: RwLock::new(Arc::new([])), next: AtomicUsize::new(0) })
    }

    fn known(&self) -> Arc<[Arc<Replica>]> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks the names up; what was known of one stays when that fails.
    ///
    /// # Errors
    /// Why the last one failed that did.
    pub(super) async fn look_up(&self) -> Result<(), String> {
        let before = self.known();
        let (mut after, mut flaw) = (Vec::new(), Ok(()));
        for (at, name) in self.names.iter().enumerate() {
            let mut found = match self.directory.find(&name.host, name.port).await {
                Ok(found) => found,
                Err(why) => {
                    flaw = Err(why);
                    before
                        .iter()
                        .filter(|replica| replica.name == at)
                        .map(|replica| replica.address)
                        .collect()
                }
            };
            found.sort_unstable();
            found.dedup();
            for address in found {
                let kept = before.iter().find(|replica| replica.name == at && replica.address == address);
                after.push(kept.cloned().unwrap_or_else(|| Arc::new(name.replica(at, address))));
            }
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = after.into();
        flaw
    }

    /// The replica with the fewest calls under way that was not tried and did not fail just now; another one when
    /// there is no such. `None` when every one was tried, or none is known.
    pub(super) async fn take(&self, tried: &[SocketAddr]) -> Result<Option<Taken>, String> {
        let mut known = self.known();
        if known.is_empty() {
            let outcome = self.look_up().await;
            known = self.known();
            // One name may lead nowhere as long as another does.
            outcome.or_else(|flaw| if known.is_empty() { Err(flaw) } else { Ok(()) })?;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let chosen = (0..known.len())
            .filter_map(|step| known.get((turn.wrapping_add(step)) % known.len()))
            .filter(|replica| !tried.contains(&replica.address))
            .min_by_key(|replica| (replica.standing.is_avoided(), replica.calls.load(Ordering::Relaxed)));
        Ok(chosen.map(|replica| Taken::new(replica.clone())))
    }

    /// Looks the names up every few seconds; ends only with the process.
    pub(super) async fn keep_up(self: Arc<Self>) {
        loop {
            if let Err(flaw) = self.look_up().await {
                tracing::warn!(flaw, "addresses stay as they were found before");
            }
            tokio::time::sleep(self.directory.every).await;
        }
    }
}
