//! How connections of gRPC are served: how much one of them may have open and unread.

use std::time::Duration;

use tonic::transport::Server;

/// Calls open at once on one connection; more wait at the client.
///
/// Without a limit, thousands of small calls end the connection: h2 counts every frame of fewer than 256 bytes that waits
/// to be read, unless it is a stream's last one, against half of the connection's window (at least 25,600 bytes), and
/// answers with GOAWAY `too_many_data_frames` when that is used up.
const CALLS: u32 = 1_024;
/// Bytes of one connection that may wait to be read, so that half of it holds [`CALLS`] small frames many times over and
/// streams of small messages as well. Not adaptive: that begins at 64 KiB, and its budget with it.
pub(super) const CONNECTION_WINDOW: u32 = 16 << 20;
/// Bytes of one call that may wait to be read.
pub(super) const CALL_WINDOW: u32 = 1 << 20;

/// A connection on which nothing comes is asked whether its other end lives …
const PING: Duration = Duration::from_secs(30);
/// … and is closed when that does not say so within this.
const PONG: Duration = Duration::from_secs(10);

/// A server with these limits.
pub(crate) fn server() -> Server {
    asking(PING, PONG)
}

fn asking(ping: Duration, pong: Duration) -> Server {
    Server::builder()
        .max_concurrent_streams(CALLS)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(CALL_WINDOW)
        .http2_keepalive_interval(Some(ping))
        .http2_keepalive_timeout(Some(pong))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tokio_stream::wrappers::TcpListenerStream;

    use super::*;

    #[tokio::test]
    async fn a_connection_whose_other_end_has_gone_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, health) = tonic_health::server::health_reporter();
        let served = asking(Duration::from_millis(50), Duration::from_millis(50)).add_service(health);
        let mut server = JoinSet::new();
        server.spawn(
            async move { served.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() },
        );
        // It begins as clients do (with no settings of its own), and is never heard of again.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut said = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
        closed.expect("it is kept").unwrap();
    }
}
