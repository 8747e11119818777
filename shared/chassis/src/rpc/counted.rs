//! Calls counted by the code they end with: in the answer's headers, in the trailers behind it, or cancelled when nobody
//! waits for the answer any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::metrics::Metrics;

/// A call without an answer yet. One that is given up counts as cancelled.
pub(super) struct Open {
    metrics: Metrics,
    begin: Instant,
    /// Taken with the answer.
    method: Option<String>,
}

impl Open {
    pub(super) fn begin(metrics: &Metrics, method: String) -> Self {
        Self { metrics: metrics.clone(), begin: Instant::now(), method: Some(method) }
    }

    /// Counts the call by its answer: at once by the code in its headers, else by that in its trailers once it has been
    /// sent.
    pub(super) fn answered(mut self, answer: http::Response<Body>) -> http::Response<Body> {
        let Some(method) = self.method.take() else { return answer };
        self.metrics.time(&method, self.begin.elapsed());
        if let Some(code) = code_in(answer.headers()) {
            self.metrics.count(&method, code);
            return answer;
        }
        let metrics = self.metrics.clone();
        answer.map(|inner| Body::new(Counted { inner, metrics, method: Some(method) }))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(method) = self.method.take() {
            self.metrics.time(&method, self.begin.elapsed());
            self.metrics.count(&method, CANCELLED);
        }
    }
}

/// The code of a call that its caller has given up.
const CANCELLED: &str = "1";

/// An answer on its way. One that is given up counts as cancelled.
struct Counted {
    inner: Body,
    metrics: Metrics,
    /// Taken once it is counted.
    method: Option<String>,
}

fn code_in(headers: &http::HeaderMap) -> Option<&str> {
    headers.get("grpc-status").and_then(|value| value.to_str().ok())
}

impl Counted {
    fn count(&mut self, code: &str) {
        if let Some(method) = self.method.take() {
            self.metrics.count(&method, code);
        }
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.count(code_in(trailers).unwrap_or("0"));
                }
            }
            Some(Err(status)) => self.count(&(status.code() as i32).to_string()),
            None => self.count("0"),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count(CANCELLED);
    }
}
