//! Answers whose code comes behind them, in the trailers, counted by that code.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::metrics::Metrics;

/// An answer on its way. One that is given up counts as cancelled.
struct Counted {
    inner: Body,
    metrics: Metrics,
    /// Taken once it is counted.
    method: Option<String>,
}

/// Counts an answer: at once by the code in its headers, else by that in its trailers once it has been sent.
pub(super) fn counted(
    answer: http::Response<Body>,
    metrics: &Metrics,
    method: String,
) -> http::Response<Body> {
    if let Some(code) = code_in(answer.headers()) {
        metrics.count(&method, code);
        return answer;
    }
    let metrics = metrics.clone();
    answer.map(|inner| Body::new(Counted { inner, metrics, method: Some(method) }))
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
        self.count(&(Code::Cancelled as i32).to_string());
    }
}
