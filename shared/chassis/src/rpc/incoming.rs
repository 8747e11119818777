//! Connections that come in: accepted, and their TLS agreed on, each without holding up the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use crate::tls::Tls;

/// For agreeing on TLS; a stranger who only opens connections holds none longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that agree at once.
const AT_ONCE: usize = 1_024;
/// After an error of accepting (no descriptors left): it would come again at once.
const BREATH: Duration = Duration::from_millis(50);

/// Connections that are ready to be served.
pub(crate) fn incoming(listener: TcpListener, tls: Tls) -> impl Stream<Item = io::Result<Connection>> {
    let accepted =
        stream::unfold(listener, |listener| async move { Some((accept(&listener).await, listener)) });
    accepted
        .map(move |(stream, peer)| agree(stream, peer, tls.server()))
        .buffer_unordered(AT_ONCE)
        .filter_map(async |agreed| agreed.map(Ok))
}

/// The next connection, with whom it comes from.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// `None` for a connection that comes to nothing.
async fn agree(stream: TcpStream, peer: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Option<Connection> {
    // Small answers go out at once; a connection that cannot be told so works as well.
    let _prompt = stream.set_nodelay(true).is_ok();
    let Some(tls) = tls else { return Some(Connection::plain(stream)) };
    match tokio::time::timeout(PATIENCE, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => Some(Connection::sealed(stream)),
        Ok(Err(error)) => {
            tracing::info!(%peer, %error, "a connection was refused: its TLS is not as common.tls demands");
            None
        }
        Err(_) => None,
    }
}
