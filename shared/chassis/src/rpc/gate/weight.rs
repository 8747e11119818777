//! Load of requests that are being read or answered: there is room for so many and no more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use kernel::{Error, Kind};
use tonic::Status;
use tonic::body::Body;

use super::crowd::Crowd;
use super::fields::{self, Fields};
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

/// What one call takes of it; given back when dropped, or before.
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

    /// Whether there is room for more at the moment; takes none.
    pub(super) fn fits(&self, more: usize) -> bool {
        let all = self.all.load(Ordering::Relaxed);
        all.saturating_add(more) <= self.most || all == self.own.load(Ordering::Relaxed)
    }

    /// Gives back what was taken so far.
    fn give_back(&self) {
        self.all.fetch_sub(self.own.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The room that a request over HTTP takes. Whoever reads its body takes room as the bytes come, and for what is made of
/// them: what a request says of its length is no reason to keep others out. Given back with the answer.
#[derive(Clone, Debug)]
pub struct Claim {
    load: Arc<Load>,
    crowd: Arc<Crowd>,
}

impl Claim {
    pub(super) fn new(load: Arc<Load>, crowd: Arc<Crowd>) -> Self {
        Self { load, crowd }
    }

    /// Takes room for more bytes.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] when there is none: let go of what there is.
    pub fn take(&self, bytes: usize) -> kernel::Result<()> {
        if self.load.take(bytes) {
            return Ok(());
        }
        Err(self.crowd.refusal(FULL))
    }

    /// Gives back what was taken so far, since it is not held any more.
    pub fn give_back(&self) {
        self.load.give_back();
    }
}

/// A body that takes room as it comes in, and whose messages have so many entries at the most.
pub(super) struct Weighed {
    body: Body,
    /// Where it takes room.
    load: Option<Arc<Load>>,
    crowd: Arc<Crowd>,
    fields: Fields,
}

impl Weighed {
    pub(super) fn new(body: Body, load: Option<Arc<Load>>, crowd: Arc<Crowd>) -> Self {
        Self { body, load, crowd, fields: Fields::default() }
    }

    /// Takes these bytes in.
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        if self.load.as_ref().is_some_and(|load| !load.take(data.len())) {
            return Err(to_status(&self.crowd.refusal(FULL)));
        }
        if self.fields.read(data) {
            return Ok(());
        }
        let message = format!(
            "a message has more than {} entries; send them in several calls, or messages of a stream",
            fields::MOST
        );
        Err(to_status(&Error::new(Kind::Invalid, "TOO_MANY_ENTRIES", message)))
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
            && let Err(refusal) = self.take(data)
        {
            return Poll::Ready(Some(Err(refusal)));
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
