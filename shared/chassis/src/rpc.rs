//! Calls between services, alike within a process and between processes.
//!
//! A handler is `rpc::answer(request, async |caller, message| …)`; a call is
//! `rpc::call(client.get_profile(rpc::request(&caller, message))).await`. Workspace, deadline and trace travel with both.

mod choices;
mod context;
mod local;
mod scope;
mod server;
mod stack;

use std::collections::BTreeMap;
use std::future::Future;

use kernel::{Error, Kind, Result};
use tonic::{Request, Response, Status};
use tower::util::BoxCloneSyncService;

pub use local::Switchboard;
pub use scope::Scopes;
pub(crate) use server::server;
pub use stack::StackLayer;

use self::choices::Choices;
use crate::caller::Caller;
use crate::status::{from_status, to_status};

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
    remote: BTreeMap<String, tonic::transport::Channel>,
}

impl Rpc {
    /// Services named in `addresses` (`http://host:port`) are reached there, all others in this process.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for an address that is none.
    pub fn new(local: Switchboard, addresses: &BTreeMap<String, String>) -> Result<Self> {
        let connect = |(name, address): (&String, &String)| {
            let endpoint = tonic::transport::Endpoint::from_shared(address.clone()).map_err(|cause| {
                let message =
                    format!("common.services.{name}: `{address}` is not an address; write http://host:port");
                Error::precondition("CONFIG_INVALID", message).caused_by(cause)
            })?;
            Ok((name.clone(), endpoint.connect_lazy()))
        };
        Ok(Self { local, remote: addresses.iter().map(connect).collect::<Result<_>>()? })
    }

    /// The way to a service, by its name.
    pub fn to(&self, service: &str) -> Channel {
        match self.remote.get(service) {
            Some(channel) => BoxCloneSyncService::new(
                tower::ServiceBuilder::new()
                    .map_err(|cause: tonic::transport::Error| Unreached(cause.into()))
                    .service(channel.clone()),
            ),
            None => BoxCloneSyncService::new(self.local.clone()),
        }
    }
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
