//! Load of requests that are being read or answered: there is room for so many and no more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::crowd::Crowd;
use crate::status::to_status;

/// Why there is no room.
pub(super) const FULL: &str =
    "requests in progress here hold as many bytes as they may (common.limits.bytes_in_progress)";

/// All of it.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// What one call takes of it; given back when dropped.
#[derive(Debug)]
pub(super) struct Load {
    most: usize,
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
}

impl Room {
    /// Of that many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// Nothing, so far.
    pub(super) fn load(&self) -> Load {
        Load { most: self.most, all: self.taken.clone(), own: AtomicUsize::new(0) }
    }
}

impl Load {
    /// Takes more; says whether there was room for it. A call that is alone always has room.
    pub(super) fn take(&self, more: usize) -> bool {
        let own = self.own.fetch_add(more, Ordering::Relaxed) + more;
        let all = self.all.fetch_add(more, Ordering::Relaxed) + more;
        all <= self.most || all == own
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

/// A body that takes room as it comes in.
pub(super) struct Weighed {
    body: Body,
    load: Arc<Load>,
    crowd: Arc<Crowd>,
}

impl Weighed {
    pub(super) fn new(body: Body, load: Arc<Load>, crowd: Arc<Crowd>) -> Self {
        Self { body, load, crowd }
    }
}

impl http_body::Body for Weighed {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && !self.load.take(data.len())
        {
            return Poll::Ready(Some(Err(to_status(&self.crowd.refusal(FULL)))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
