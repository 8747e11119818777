//! Connections of HTTP/1: each served for itself, and none kept on which no request comes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::rpc;

/// A connection on which no request begins, or whose request has no end of headers, is closed after so long. Load
/// balancers keep theirs for a minute, and would lose a request that meets the end of one: so it is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(75);

/// Serves until `stop`: then no connection is taken any more, and each of those there are ends with the request it is at.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    patience: Duration,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = rpc::accept(&listener) => accepted,
        };
        connections.spawn(connection(stream, peer, routes.clone(), patience, stop.clone()));
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    patience: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    struct Served {
        address: SocketAddr,
        stop: CancellationToken,
        all: TaskTracker,
    }

    async fn served(patience: Duration) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, all) = (CancellationToken::new(), TaskTracker::new());
        let routes = Router::new().route("/", get(async || "ok"));
        all.spawn(serve(listener, routes, patience, all.clone(), stop.clone()));
        all.close();
        Served { address, stop, all }
    }

    /// Everything that is said until the connection is closed.
    async fn said(mut stream: TcpStream) -> String {
        let mut said = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut said)).await.expect("it is kept").unwrap();
        String::from_utf8(said).unwrap()
    }

    #[tokio::test]
    async fn who_sends_no_request_is_not_kept() {
        let served = served(Duration::from_millis(100)).await;
        for begin in ["", "GET / HTTP/1.1\r\nhost: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            stream.write_all(begin.as_bytes()).await.unwrap();
            let said = said(stream).await;
            assert_eq!(said.ends_with("ok"), begin.ends_with("\r\n\r\n"), "{begin}: {said}");
        }
    }

    #[tokio::test]
    async fn who_stops_waits_for_nobody_who_sends_nothing() {
        let served = served(DEADLINE * 2).await;
        let idle = TcpStream::connect(served.address).await.unwrap();
        let mut used = TcpStream::connect(served.address).await.unwrap();
        used.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        used.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        served.stop.cancel();
        tokio::time::timeout(DEADLINE, served.all.wait()).await.expect("it does not end");
        assert!(said(idle).await.is_empty() && said(used).await.ends_with("ok"));
    }
}
