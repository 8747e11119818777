//! What a provider made of a message.

use std::time::Duration;

/// The answer, or the lack of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken.
    Sent {
        /// The provider's name for it; empty when it gives none.
        provider_id: String,
    },
    /// Passing trouble; certainly not taken, or taking it twice does no harm.
    Retry {
        /// Why.
        fault: Fault,
        /// The provider asked to wait so long.
        wait: Option<Duration>,
    },
    /// Will never be taken on this channel.
    Refused(Fault),
    /// Handed over without a readable answer: it may have been taken, so it is never sent again.
    Unknown(Fault),
}

/// A stable code and a text for people, without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Such as `SMTP_550`.
    pub(crate) code: String,
    /// What the provider said.
    pub(crate) detail: String,
}

impl Fault {
    /// A fault; the text is cut to a reasonable length.
    pub(crate) fn new(code: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self { code: code.into(), detail: detail.as_ref().chars().take(500).collect() }
    }
}

impl Outcome {
    /// Passing trouble without a wish for a wait.
    pub(crate) fn retry(code: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self::Retry { fault: Fault::new(code, detail), wait: None }
    }

    /// Never on this channel.
    pub(crate) fn refused(code: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self::Refused(Fault::new(code, detail))
    }

    /// Nobody knows.
    pub(crate) fn unknown(detail: impl AsRef<str>) -> Self {
        Self::Unknown(Fault::new("OUTCOME_UNKNOWN", detail))
    }
}
