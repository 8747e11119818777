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
    Server::builder()
        .max_concurrent_streams(CALLS)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(CALL_WINDOW)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
}
