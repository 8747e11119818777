//! Around every call, from outside or within: who is calling and whether they may, the deadline, the trace, metrics.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use kernel::{Error, Kind, Result};
use store::Tenant;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::context::CallContext;
use super::counted::Open;
use super::gate::{Gate, Place};
use super::scope::Scopes;
use crate::auth::Authenticator;
use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::status::to_status;

/// Makes the stack. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StackLayer {
    pub(crate) authenticator: Authenticator,
    pub(crate) scopes: Scopes,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Gate,
}

/// The stack around a service.
#[derive(Clone, Debug)]
pub struct Stack<S> {
    inner: S,
    layer: Arc<StackLayer>,
}

impl<S> Layer<S> for StackLayer {
    type Service = Stack<S>;

    fn layer(&self, inner: S) -> Stack<S> {
        Stack { inner, layer: Arc::new(self.clone()) }
    }
}

impl StackLayer {
    /// Lets the caller through: the extension a local call carries cannot come from a socket.
    async fn admit(&self, request: http::Request<Body>) -> Result<(http::Request<Body>, Option<Place>)> {
        let (mut parts, body) = request.into_parts();
        let place = self.admit_parts(&mut parts).await?;
        let body = match &place {
            Some(place) => place.weigh(&self.gate, body, self.scopes.streams_in(parts.uri.path())),
            None => body,
        };
        Ok((http::Request::from_parts(parts, body), place))
    }

    async fn admit_parts(&self, request: &mut http::request::Parts) -> Result<Option<Place>> {
        let Some(scope) = self.scopes.of(request.uri.path()) else { return Ok(None) };
        let mut place = None;
        let caller = match request.extensions.get::<Caller>() {
            Some(caller) => caller.clone(),
            None => {
                place = Some(self.gate.enter()?);
                let header = request.headers.get(http::header::AUTHORIZATION);
                let header = header.and_then(|value| value.to_str().ok());
                let caller = self.authenticator.authenticate(header).await?;
                self.gate.count(&caller)?;
                caller
            }
        };
        caller.require(scope)?;
        let choices = self.scopes.choices(request.uri.path()).cloned();
        request.extensions.insert(caller);
        if let Some(choices) = choices {
            request.extensions.insert(choices);
        }
        Ok(place)
    }
}

impl<S> Service<http::Request<Body>> for Stack<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The instance that was polled ready answers; the clone takes its place.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        let mut context = CallContext::read(&request, &layer.scopes);
        let path = context.path.clone();
        let span = tracing::info_span!("rpc", method = %path);
        context.join(request.headers(), &span);
        let open = layer.scopes.of(&path).map(|_| Open::begin(&layer.metrics, path));
        let answer = async move {
            let deadline = context.deadline;
            let work = async {
                match layer.admit(request).await {
                    Err(error) => Ok(to_status(&error).into_http()),
                    // The place is given up with the answer.
                    Ok((request, _place)) => {
                        let tenant = tenant(&request);
                        let call = inner.call(request);
                        let call = async move {
                            match tenant {
                                Some(tenant) => tenant.scope(call).await,
                                None => call.await,
                            }
                        };
                        context.scope(call).await
                    }
                }
            };
            let response = match tokio::time::timeout_at(deadline.into(), work).await {
                Ok(response) => response?,
                Err(_) => to_status(&late()).into_http(),
            };
            Ok(match open {
                Some(open) => open.answered(response),
                None => response,
            })
        };
        Box::pin(answer.instrument(span))
    }
}

/// On whose behalf databases are used for a call: its caller's, if it had to have one.
fn tenant<B>(request: &http::Request<B>) -> Option<Tenant> {
    request.extensions().get::<Caller>().map(|caller| Tenant::Workspace(caller.workspace.clone()))
}

pub(super) fn late() -> Error {
    Error::new(Kind::Deadline, "DEADLINE_EXCEEDED", "the call's time is over; nothing more is done for it")
}
