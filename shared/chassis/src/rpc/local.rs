//! Calls within the process: straight into the routes, through the same stack as calls from outside.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::Unreached;
use super::stack::Stack;

/// Late-bound routes: clients are made before all services exist. Cheap to clone.
#[derive(Clone, Default)]
pub struct Switchboard {
    routes: Arc<OnceLock<Stack<Routes>>>,
}

impl Switchboard {
    /// Connects the clients made before; only the first binding counts.
    pub(crate) fn bind(&self, routes: Stack<Routes>) {
        let _first = self.routes.set(routes);
    }
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switchboard").field("bound", &self.routes.get().is_some()).finish()
    }
}

impl Service<http::Request<Body>> for Switchboard {
    type Response = http::Response<Body>;
    type Error = Unreached;
    type Future = BoxFuture<'static, Result<Self::Response, Unreached>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreached>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let routes = self.routes.get().cloned();
        Box::pin(async move {
            match routes {
                Some(mut routes) => routes.call(request).await.map_err(|never| match never {}),
                None => Ok(tonic::Status::unavailable("the service is starting").into_http()),
            }
        })
    }
}
