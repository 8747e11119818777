//! Whether a call that failed may be made again.

use std::error::Error as StdError;

use tonic::Code;

use super::connector::NotConnected;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answered: by the service's own word.
    Final,
    /// No connection came about: harmless to repeat elsewhere, for every method.
    NotConnected,
    /// The connection ended, and for certain nothing was begun on the other side: harmless to repeat for every method.
    NotBegun,
    /// The service says that it cannot, for now: to be repeated elsewhere, for methods that may be.
    Refused,
    /// The connection ended, and perhaps it was done: to be repeated for methods that may be.
    Unknown,
}

/// Judges an answer; those of calls that are refused have their code in the headers.
pub(super) fn of_answer<B>(answer: &http::Response<B>) -> Verdict {
    let code = answer.headers().get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<i32>().ok());
    if code == Some(Code::Unavailable as i32) { Verdict::Refused } else { Verdict::Final }
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
