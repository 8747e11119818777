//! A peer: a tonic server that decodes the same request, counts it and gives an answer that was ready beforehand.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::routing::any_service;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Echo {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    _server: JoinSet<()>,
}

/// One method.
struct Method<F>(Arc<F>);

impl<F, Q, A> UnaryService<Q> for Method<(F, std::marker::PhantomData<fn(Q) -> A>)>
where
    F: Fn(Q) -> A,
{
    type Response = A;
    type Future = Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        ready(Ok(Response::new((self.0.0)(request.into_inner()))))
    }
}

impl Echo {
    /// Serves the method at `path` (`/package.Service/Method`) on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(crate) async fn open<Q, A>(
        path: &str,
        answer: impl Fn(Q) -> A + Send + Sync + 'static,
    ) -> Result<Self>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let method = Arc::new((answer, std::marker::PhantomData::<fn(Q) -> A>));
        let serve = service_fn(move |request| {
            let method = Method(method.clone());
            async move {
                Ok::<_, Infallible>(Grpc::new(ProstCodec::<A, Q>::default()).unary(method, request).await)
            }
        });
        // As chassis serves.
        let serving = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_adaptive_window(Some(true))
            .add_routes(Router::new().route(path, any_service(serve)).into())
            .serve_with_incoming(TcpListenerStream::new(listener));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It ends when it is dropped; a failure shows in the calls.
            let _ended = serving.await.is_ok();
        });
        Ok(Self { address, _server: server })
    }
}
