//! The one error of the platform: its kind decides gRPC code, retry, log level and dead-lettering.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// A result with the platform's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is. Closed on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// Nobody we know.
    Unauthenticated,
    /// Known, and not allowed.
    Forbidden,
    /// Not there.
    NotFound,
    /// There already.
    AlreadyExists,
    /// Somebody else was faster; read again and retry.
    Aborted,
    /// Right in itself, wrong in this state.
    Precondition,
    /// Too much, for now.
    Exhausted,
    /// Passing trouble; retry.
    Unavailable,
    /// Took too long, or the caller went away.
    Deadline,
    /// A fault of ours; details stay in the log.
    Internal,
}

impl Kind {
    /// Whether the same again may work.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Aborted | Self::Exhausted | Self::Unavailable | Self::Deadline)
    }

    /// Whether it is ours to look at.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable)
    }
}

/// One thing wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path such as `segment.condition`.
    pub field: String,
    /// What is wrong and what to do.
    pub description: String,
}

/// Something that went wrong, in the caller's terms.
#[derive(Debug)]
pub struct Error {
    /// Decides everything that follows.
    pub kind: Kind,
    /// Stable code in `UPPER_SNAKE_CASE`, for machines.
    pub reason: &'static str,
    /// For people: what, where, and the remedy. Never shown for [`Kind::Internal`].
    pub message: String,
    /// For [`Kind::Invalid`].
    pub violations: Vec<Violation>,
    /// When the same again may work, where that is known.
    pub retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of any kind.
    pub fn new(kind: Kind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// One wrong field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::violations(vec![Violation { field: field.into(), description: description.into() }])
    }

    /// Several wrong fields; at least one.
    pub fn violations(violations: Vec<Violation>) -> Self {
        let message = violations
            .iter()
            .map(|v| format!("{}: {}", v.field, v.description))
            .collect::<Vec<_>>()
            .join("; ");
        Self { violations, ..Self::new(Kind::Invalid, "INVALID_ARGUMENT", message) }
    }

    /// `what` (such as `segment`) of that name is not there.
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, "NOT_FOUND", format!("no {what} `{name}`"))
    }

    /// `what` of that name is there already.
    pub fn already_exists(what: &str, name: impl fmt::Display) -> Self {
        Self::new(
            Kind::AlreadyExists,
            "ALREADY_EXISTS",
            format!("{what} `{name}` exists already; update it instead"),
        )
    }

    /// Not in this state.
    pub fn precondition(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Precondition, reason, message)
    }

    /// Passing trouble.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, "UNAVAILABLE", message)
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "INTERNAL", message)
    }

    /// The same again may work after so long.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Keeps what caused it, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with every violation's field put under `prefix`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = if violation.field.is_empty() {
                prefix.to_owned()
            } else {
                format!("{prefix}.{}", violation.field)
            };
        }
        if !self.violations.is_empty() {
            self.message = Self::violations(self.violations.clone()).message;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The error and its causes in one line, for the log.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
