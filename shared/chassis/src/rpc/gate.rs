//! How many calls come in from outside: at once, and by whom. Calls within the process, and those of other services, have
//! been counted where they began.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Error, Kind, Result, Workspace};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::caller::Caller;
use crate::config::{Common, Rate};
use crate::limit::Limiter;

/// When somebody may come again who found all places taken: calls take milliseconds.
const BREATH: Duration = Duration::from_millis(100);

/// Counts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    workspaces: Arc<Limiter<Workspace>>,
    subjects: Arc<Limiter<(Workspace, Arc<str>)>>,
}

/// One of the places for calls in progress; given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// As `common.limits` has it.
    pub(crate) fn new(common: &Common, clock: &Clock) -> Self {
        let limits = &common.limits;
        let rate = |rate: Rate| if common.dev { Rate::default() } else { rate };
        let places = limits.calls_in_progress.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            workspaces: Arc::new(Limiter::new(rate(limits.workspace), clock)),
            subjects: Arc::new(Limiter::new(rate(limits.subject), clock)),
        }
    }

    /// Takes a place for one more call.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] when all are taken; nobody waits for one.
    pub(super) fn enter(&self) -> Result<Place> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| {
            let message =
                "too many calls are in progress here (common.limits.calls_in_progress); come again soon";
            Error::new(Kind::Exhausted, "OVERLOADED", message).retry_after(BREATH)
        })?;
        Ok(Place { _permit: permit })
    }

    /// Counts a call of `caller`, unless a service made it.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] with the time to wait.
    pub(super) fn count(&self, caller: &Caller) -> Result<()> {
        if caller.via.is_some() {
            return Ok(());
        }
        let too_often = |who: &str, wait: Duration| {
            let message = format!("{who} calls more often than is allowed here; come again in {wait:?}");
            Error::new(Kind::Exhausted, "RATE_LIMITED", message).retry_after(wait)
        };
        let subject = (caller.workspace.clone(), caller.subject.clone());
        self.subjects
            .count(&subject)
            .map_err(|wait| too_often("this token's subject (common.limits.subject)", wait))?;
        self.workspaces
            .count(&caller.workspace)
            .map_err(|wait| too_often("this workspace (common.limits.workspace)", wait))
    }
}
