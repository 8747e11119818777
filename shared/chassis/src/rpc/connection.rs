//! One connection, plain or by TLS, as the server takes it or the client makes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::standing::{self, Standing};

/// Bytes to and from the other side.
#[derive(Debug)]
pub(crate) struct Connection {
    bytes: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    /// Of the address that was connected to, until the other side ends the connection.
    standing: Option<Arc<Standing>>,
}

impl Connection {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { bytes: Either::Left(stream), standing: None }
    }

    pub(super) fn sealed(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self { bytes: Either::Right(Box::new(stream.into())), standing: None }
    }

    /// Its address is avoided when this side has to give the connection up.
    pub(super) fn watched(mut self, standing: Arc<Standing>) -> Self {
        self.standing = Some(standing);
        self
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(standing) = &self.standing {
            standing.avoid(standing::SILENT);
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match &self.bytes {
            Either::Left(stream) => stream.connect_info(),
            Either::Right(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.bytes).poll_read(cx, into);
        let ended = match &read {
            Poll::Ready(Ok(())) => into.filled().len() == before && into.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if ended {
            self.standing = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }
}
