//! How much comes in from outside: how many calls at once, how many bytes of them, and by whom. Calls within the process
//! have been counted where they began; so have those of other services, but for the place and the bytes they take here.

mod crowd;
mod fields;
mod weight;

use std::sync::Arc;

use kernel::{Clock, Result, Workspace};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;

use self::crowd::Crowd;
pub(super) use self::crowd::OVERLOADED;
pub use self::weight::Claim;
use self::weight::{Load, Room, Weighed};
use crate::caller::Caller;
use crate::config::{Common, Rate};
use crate::limit::{Limiter, WorkspaceCalls, too_often};

/// Bytes of a request over HTTP that does not say how long it is.
const UNTOLD: usize = 512_000;
/// A gzipped body may become so many times as long.
const INFLATES: usize = 8;

/// Counts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    room: Arc<Room>,
    crowd: Arc<Crowd>,
    workspaces: WorkspaceCalls,
    subjects: Arc<Limiter<(Workspace, Arc<str>)>>,
}

/// One of the places for calls in progress, with the room that the call's bytes take; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    load: Arc<Load>,
}

impl Place {
    /// The same body, refused as soon as there is no room for more of it, or a message has too many entries. A stream of
    /// requests lasts longer than its place, and holds a window of bytes at the most: it takes no room.
    pub(super) fn weigh(&self, gate: &Gate, body: Body, streams: bool) -> Body {
        let load = (!streams).then(|| self.load.clone());
        Body::new(Weighed::new(body, load, gate.crowd.clone()))
    }

    /// For whoever reads the body of a request over HTTP.
    pub(crate) fn claim(&self, gate: &Gate) -> Claim {
        Claim::new(self.load.clone(), gate.crowd.clone())
    }
}

impl Gate {
    /// As `common.limits` has it.
    pub(crate) fn new(common: &Common, clock: &Clock, workspaces: WorkspaceCalls) -> Self {
        let limits = &common.limits;
        let subject = if common.dev { Rate::default() } else { limits.subject };
        let places = limits.calls_in_progress.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            room: Arc::new(Room::new(limits.bytes_in_progress)),
            crowd: Arc::default(),
            workspaces,
            subjects: Arc::new(Limiter::new(subject, clock)),
        }
    }

    /// Takes a place for one more call.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] when all are taken; nobody waits for one.
    pub(super) fn enter(&self) -> Result<Place> {
        let permit = self.places.clone().try_acquire_owned();
        let permit = permit.map_err(|_| {
            self.crowd.refusal("too many calls are in progress here (common.limits.calls_in_progress)")
        })?;
        Ok(Place { _permit: permit, load: Arc::new(self.room.load()) })
    }

    /// Takes a place for one more request over HTTP, if there is room for what it says of itself: bodies are best refused
    /// before they are read, since senders take an answer in the midst of one for a lost connection. The room is taken as
    /// the bytes come ([`Claim`]): a request that only announces many keeps nobody out.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] when there is none.
    pub(crate) fn enter_http(&self, headers: &http::HeaderMap) -> Result<Place> {
        let place = self.enter()?;
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let told = text(http::header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let told = match (told, text(http::header::TRANSFER_ENCODING)) {
            (Some(told), _) => told,
            (None, Some(_)) => UNTOLD,
            (None, None) => 0,
        };
        let inflates = text(http::header::CONTENT_ENCODING).is_some_and(|coding| coding.contains("gzip"));
        let bytes = if inflates { told.saturating_mul(INFLATES) } else { told };
        if place.load.fits(bytes.min(super::MAX_MESSAGE_BYTES)) {
            return Ok(place);
        }
        Err(self.crowd.refusal(weight::FULL))
    }

    /// Counts a call of `caller`, unless a service made it.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] with the time to wait.
    pub(super) fn count(&self, caller: &Caller) -> Result<()> {
        if caller.via.is_some() {
            return Ok(());
        }
        let subject = (caller.workspace.clone(), caller.subject.clone());
        let early = |wait| too_often("this token's subject calls more often", "common.limits.subject", wait);
        self.subjects.count(&subject).map_err(early)?;
        self.workspaces.count(&caller.workspace)
    }
}
