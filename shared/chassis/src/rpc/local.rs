//! Calls within the process: straight into the routes, through the same stack as calls from outside.

use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::Unreached;
use super::stack::Stack;

/// Late-bound routes: clients are made before all services exist, and let go of them when the process stops (services
/// hold clients, and the routes hold services). Cheap to clone.
#[derive(Clone, Default)]
pub struct Switchboard {
    routes: Arc<RwLock<Option<Stack<Routes>>>>,
}

impl Switchboard {
    /// Connects the clients made before.
    pub(crate) fn bind(&self, routes: Stack<Routes>) {
        self.replace(Some(routes));
    }

    /// Lets go of the services.
    pub(crate) fn unbind(&self) {
        self.replace(None);
    }

    fn replace(&self, routes: Option<Stack<Routes>>) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    fn routes(&self) -> Option<Stack<Routes>> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switchboard").field("bound", &self.routes().is_some()).finish()
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
        let routes = self.routes();
        Box::pin(async move {
            match routes {
                Some(mut routes) => routes.call(request).await.map_err(|never| match never {}),
                None => Ok(tonic::Status::unavailable("the service is starting or stopping").into_http()),
            }
        })
    }
}
