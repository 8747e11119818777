//! The platform's errors on the wire and back: code, `ErrorInfo`, field violations; internal details stay in the log.

use std::time::Duration;

pub use kernel::chain;
use kernel::{Error, Kind, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// When to come again, where nothing better is known.
const SOON: Duration = Duration::from_secs(1);
/// `ErrorInfo.domain` of every error.
const DOMAIN: &str = "guanxi";

/// What the caller sees. Faults are logged here, once, with their chain of causes.
pub fn to_status(error: &Error) -> Status {
    if error.kind.is_fault() {
        tracing::error!(reason = error.reason, error = %chain(error), "a call failed");
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(error.reason, DOMAIN, std::collections::HashMap::new());
    for violation in &error.violations {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    if matches!(error.kind, Kind::Exhausted | Kind::Unavailable) || error.retry_after.is_some() {
        details.set_retry_info(Some(error.retry_after.unwrap_or(SOON)));
    }
    let message = if error.kind == Kind::Internal { "internal error" } else { &error.message };
    Status::with_error_details(code(error.kind), message, details)
}

/// An answer of another service, as an error of this one.
pub fn from_status(status: &Status) -> Error {
    let details = status.get_error_details();
    let mut error = Error::new(kind(status.code()), reason(&details), status.message());
    error.violations = details.bad_request().map_or_else(Vec::new, |bad| {
        let violation = |v: &tonic_types::FieldViolation| Violation {
            field: v.field.clone(),
            description: v.description.clone(),
        };
        bad.field_violations.iter().map(violation).collect()
    });
    error.retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
    error
}

/// The reasons that callers of other services tell apart.
fn reason(details: &ErrorDetails) -> &'static str {
    const KNOWN: [&str; 4] = ["NOT_FOUND", "ALREADY_EXISTS", "INVALID_ARGUMENT", "UNAVAILABLE"];
    let given = details.error_info().map_or("", |info| info.reason.as_str());
    KNOWN.into_iter().find(|known| *known == given).unwrap_or("REMOTE_ERROR")
}

const fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::Forbidden => Code::PermissionDenied,
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::Aborted => Code::Aborted,
        Kind::Precondition => Code::FailedPrecondition,
        Kind::Exhausted => Code::ResourceExhausted,
        Kind::Unavailable => Code::Unavailable,
        Kind::Deadline => Code::DeadlineExceeded,
        Kind::Internal => Code::Internal,
    }
}

const fn kind(code: Code) -> Kind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Kind::Invalid,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::Forbidden,
        Code::NotFound => Kind::NotFound,
        Code::AlreadyExists => Kind::AlreadyExists,
        Code::Aborted => Kind::Aborted,
        Code::FailedPrecondition => Kind::Precondition,
        Code::ResourceExhausted => Kind::Exhausted,
        Code::Unavailable => Kind::Unavailable,
        Code::DeadlineExceeded | Code::Cancelled => Kind::Deadline,
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_survive_the_wire_and_internals_do_not() {
        let error = Error::invalid("segment.condition", "1:4: expected an expression");
        let back = from_status(&to_status(&error));
        assert_eq!((back.kind, back.violations, back.retry_after), (error.kind, error.violations, None));
        let hidden = to_status(&Error::internal("password=1").caused_by(std::io::Error::other("secret")));
        assert_eq!((hidden.code(), hidden.message()), (Code::Internal, "internal error"));
    }

    #[test]
    fn who_should_come_again_is_told_when() {
        let error = |kind| Error::new(kind, "BUSY", "busy");
        let back = |error: &Error| from_status(&to_status(error)).retry_after;
        let exact = Duration::from_millis(1_234);
        assert_eq!(back(&error(Kind::Exhausted).retry_after(exact)), Some(exact));
        assert_eq!(back(&error(Kind::Exhausted)), Some(SOON));
        assert_eq!(back(&error(Kind::Unavailable)), Some(SOON));
        assert_eq!(back(&error(Kind::Precondition)), None);
    }
}
