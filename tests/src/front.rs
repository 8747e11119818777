//! One address for the gRPC of all services, as an operator's gateway gives it (deploy/gateway): calls pass through to the
//! service that their path names.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint, Server};
use tower::ServiceExt as _;

/// The gateway; it ends with this value.
#[derive(Debug)]
pub struct Front {
    /// Where it listens.
    pub address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

impl Front {
    /// Passes calls of `guanxi.<service>.…` to the address of that service.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(services: &BTreeMap<&'static str, SocketAddr>) -> Result<Self> {
        let channel = |(name, address): (&&'static str, &SocketAddr)| {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            Ok((*name, endpoint.connect_lazy()))
        };
        let channels: BTreeMap<&'static str, Channel> =
            services.iter().map(channel).collect::<Result<_>>()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let routes = tonic::service::Routes::from(Router::new().fallback(pass).with_state(channels));
        let server = Server::builder()
            .max_concurrent_streams(1_024)
            .add_routes(routes)
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        let serve = async move {
            if let Err(error) = server.await {
                tracing_error(&error);
            }
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the handle")]
        let server = AbortOnDropHandle::new(tokio::spawn(serve));
        Ok(Self { address, _server: server })
    }
}

fn tracing_error(error: &dyn std::error::Error) {
    use std::io::Write as _;
    // Nobody else hears of it; the calls that fail then say the rest.
    let _written = writeln!(std::io::stderr(), "the gateway ended: {error}");
}

async fn pass(
    State(channels): State<BTreeMap<&'static str, Channel>>,
    request: http::Request<axum::body::Body>,
) -> http::Response<Body> {
    match forward(&channels, request).await {
        Ok(response) => response,
        Err(error) => tonic::Status::unavailable(format!("{error:#}")).into_http(),
    }
}

async fn forward(
    channels: &BTreeMap<&'static str, Channel>,
    request: http::Request<axum::body::Body>,
) -> Result<http::Response<Body>> {
    let named = request.uri().path().split('.').nth(1).unwrap_or_default();
    // Every service keeps an audit log of its own.
    let wanted = request.headers().get("guanxi-service").and_then(|value| value.to_str().ok());
    let name = if named == "audit" { wanted.unwrap_or("identity") } else { named };
    let channel = channels.get(name).with_context(|| format!("no service `{name}`"))?.clone();
    Ok(channel.oneshot(request.map(Body::new)).await?)
}
