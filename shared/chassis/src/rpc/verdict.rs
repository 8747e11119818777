//! Whether a call that failed may be made again.

use std::error::Error as StdError;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::connector::NotConnected;
use super::gate::OVERLOADED;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answered: by the service's own word.
    Final,
    /// No connection came about: harmless to repeat elsewhere, for every method.
    NotConnected,
    /// The connection ended, and for certain nothing was begun on the other side: harmless to repeat for every method.
    NotBegun,
    /// The service had no place for it, and nothing was begun: to be repeated elsewhere, for every method.
    Full,
    /// The service does not know who calls, and nothing was begun. Where this process speaks for itself, one of the two has
    /// a wrong clock or an old key set: to be repeated elsewhere, for every method.
    Disbelieved,
    /// The service says that it cannot, for now: to be repeated elsewhere, for methods that may be.
    Refused,
    /// The connection ended, and perhaps it was done: to be repeated for methods that may be.
    Unknown,
}

/// Judges an answer; those of calls that are refused have their code in the headers.
pub(super) fn of_answer<B>(answer: &http::Response<B>) -> Verdict {
    let Some(status) = Status::from_header_map(answer.headers()) else { return Verdict::Final };
    match status.code() {
        Code::Unavailable => Verdict::Refused,
        Code::Unauthenticated => Verdict::Disbelieved,
        Code::ResourceExhausted
            if status.get_details_error_info().is_some_and(|info| info.reason == OVERLOADED) =>
        {
            Verdict::Full
        }
        _ => Verdict::Final,
    }
}

/// Judges a failure without an answer.
pub(super) fn of_failure(failure: &(dyn StdError + 'static)) -> Verdict {
    let mut cause = Some(failure);
    while let Some(error) = cause {
        if error.is::<NotConnected>() {
            return Verdict::NotConnected;
        }
        if was_not_begun(error) {
            return Verdict::NotBegun;
        }
        cause = error.source();
    }
    Verdict::Unknown
}

/// RFC 9113, 8.7: a stream above the last one of a GOAWAY, and a stream refused, were not acted upon. Of hyper: the
/// connection was closed before the call was put on it.
fn was_not_begun(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_canceled();
    }
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let gone = error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
        gone || error.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}
