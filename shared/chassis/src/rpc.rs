//! Calls between services, alike within a process and between processes.
//!
//! A handler is `rpc::answer(request, async |caller, message| …)`; a call is
//! `rpc::call(client.get_profile(rpc::request(&caller, message))).await`. Workspace, deadline and trace travel with both.

mod choices;
mod connection;
mod connector;
mod context;
mod counted;
mod directory;
mod gate;
mod incoming;
mod local;
mod remote;
mod replicas;
mod scope;
mod server;
mod stack;
mod standing;
mod verdict;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use kernel::{Clock, Error, Kind, Result};
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

pub(crate) use context::current;
pub use gate::Claim;
pub(crate) use gate::Gate;
pub(crate) use incoming::{accept, incoming};
pub use local::Switchboard;
pub use scope::Scopes;
pub(crate) use server::server;
pub use stack::StackLayer;

use self::choices::Choices;
use self::directory::Directory;
use self::remote::Remote;
use self::replicas::Replicas;
use crate::auth::Authenticator;
use crate::auth::issue::CallSigner;
use crate::caller::Caller;
use crate::config::{self, Common};
use crate::status::{from_status, to_status};
use crate::tasks::Tasks;
use crate::tls::Tls;

/// Messages are at most this long, both ways.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// A call could not be made at all.
#[derive(Debug)]
pub struct Unreached(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service cannot be reached")
    }
}

impl std::error::Error for Unreached {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// A way to another service, local or remote. Cheap to clone.
pub type Channel =
    BoxCloneSyncService<http::Request<tonic::body::Body>, http::Response<tonic::body::Body>, Unreached>;

/// Knows the way to every service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rpc {
    local: Switchboard,
    remote: Arc<BTreeMap<String, Remote>>,
    /// The service that calls.
    by: Arc<str>,
}

impl Rpc {
    /// Services named in `common.services` are reached there, all others in this process.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for an address that is none, or services elsewhere and no key to sign calls to them with.
    pub(crate) fn new(
        local: Switchboard,
        common: &Common,
        trust: (&Tls, &Authenticator, &Clock),
        tasks: &Tasks,
    ) -> Result<Self> {
        Self::by_directory(Directory::of_system(), local, common, trust, tasks)
    }

    fn by_directory(
        directory: Directory,
        local: Switchboard,
        common: &Common,
        (tls, known, clock): (&Tls, &Authenticator, &Clock),
        tasks: &Tasks,
    ) -> Result<Self> {
        let by = Arc::from("");
        if common.services.is_empty() {
            return Ok(Self { local, remote: Arc::default(), by });
        }
        if common.auth.service_key.as_os_str().is_empty() {
            let message = "common.services names services in other processes, and there is no key to sign the calls to \
                           them with: set common.auth.service_key to a file that `guanxi keys new` made, and put its \
                           public half into their key sets";
            return Err(Error::precondition("CONFIG_INVALID", message));
        }
        let signer = Arc::new(CallSigner::open(&common.auth, known, clock)?);
        let methods = Scopes::load()?;
        let mut remote = BTreeMap::new();
        for (name, address) in &common.services {
            let option = format!("common.services.{name}");
            let replicas = Replicas::new(&option, address, tls, directory.clone())?;
            let way = Remote::new(name, replicas, methods.clone(), Some(signer.clone()));
            tasks.spawn(format!("addresses of {name}"), way.replicas().keep_up());
            remote.insert(name.clone(), way);
        }
        Ok(Self { local, remote: Arc::new(remote), by })
    }

    /// The same ways, used by `service`: what it calls elsewhere says so.
    #[must_use]
    pub(crate) fn used_by(&self, service: &str) -> Self {
        Self { by: service.into(), ..self.clone() }
    }

    /// The way to a service, by its name.
    pub fn to(&self, service: &str) -> Channel {
        match self.remote.get(service) {
            Some(remote) => BoxCloneSyncService::new(remote.by(&self.by)),
            None => {
                let by = self.by.clone();
                BoxCloneSyncService::new(
                    self.local.clone().map_request(move |request| signed_by(request, &by)),
                )
            }
        }
    }
}

/// What a token says of the service that calls, for calls that need none.
fn signed_by<B>(mut request: http::Request<B>, service: &Arc<str>) -> http::Request<B> {
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.via = Some(service.clone()).filter(|service| !service.is_empty());
    }
    request
}

/// The way to a platform from outside of it, for tools: requests bring their own token. Connects once, so that a wrong
/// address is noticed.
///
/// # Errors
/// [`Kind::Precondition`] for an address that is none or certificates that are no use (messages name `--server`,
/// `--certificate`, `--key` and `--authority`), [`Kind::Unavailable`] when nothing answers there.
pub async fn outside(address: &str, tls: &config::Tls, clock: Clock) -> Result<Channel> {
    let tls = Tls::open(tls, "--", clock)?;
    let replicas = Replicas::new("--server", address, &tls, Directory::of_system())?;
    let silent = |flaw: String| Error::unavailable(format!("nothing answers at {address}: {flaw}"));
    let taken = replicas.take(&[]).await.map_err(silent)?;
    let first = taken.ok_or_else(|| silent("its name leads nowhere".to_owned()))?;
    first.replica.connector.connect().await.map_err(|flaw| silent(flaw.to_string()))?;
    drop(first);
    Ok(BoxCloneSyncService::new(Remote::new("--server", replicas, Scopes::load()?, None)))
}

/// Answers a unary call: finds the caller, refuses numbers that no enum has, runs `handle`, maps the error.
///
/// # Errors
/// What `handle` said, as a status.
pub async fn answer<Q: prost::Message, A, F>(
    request: Request<Q>,
    handle: impl FnOnce(Caller, Q) -> F,
) -> Result<Response<A>, Status>
where
    F: Future<Output = Result<A>>,
{
    let caller = caller(&request).map_err(|error| to_status(&error))?;
    if let Some(choices) = request.extensions().get::<Choices>() {
        choices.check(request.get_ref()).map_err(|error| to_status(&error))?;
    }
    handle(caller, request.into_inner()).await.map(Response::new).map_err(|error| to_status(&error))
}

/// Who sent the request.
///
/// # Errors
/// [`Kind::Unauthenticated`] when nothing authenticated it.
pub fn caller<Q>(request: &Request<Q>) -> Result<Caller> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| {
        Error::new(Kind::Unauthenticated, "TOKEN_REFUSED", "send `authorization: Bearer <token>`")
    })
}

/// A request to another service on behalf of `caller`, within the deadline and trace of the present call.
pub fn request<Q>(caller: &Caller, message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    context::propagate(&mut request);
    request
}

/// Awaits an answer of another service.
///
/// # Errors
/// The other service's error.
pub async fn call<A>(answer: impl Future<Output = Result<Response<A>, Status>>) -> Result<A> {
    answer.await.map(Response::into_inner).map_err(|status| from_status(&status))
}

/// The trace context of the call being answered, in W3C form; empty outside one.
pub fn trace_parent() -> String {
    context::trace_parent()
}

#[cfg(test)]
mod tests;
