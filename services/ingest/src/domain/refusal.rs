//! Why an event is not accepted.

/// Stable codes; they stand in answers, in the list of failed events and in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    MissingIdentity,
    BadIdentifier,
    MissingName,
    NameTooLong,
    ReservedName,
    BadId,
    BadTime,
    TooLarge,
    TooDeep,
    TooManyKeys,
    UnknownType,
    NotAnObject,
    SourceDisabled,
}

impl Reason {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::MissingIdentity => "missing_identity",
            Self::BadIdentifier => "bad_identifier",
            Self::MissingName => "missing_name",
            Self::NameTooLong => "name_too_long",
            Self::ReservedName => "reserved_name",
            Self::BadId => "bad_id",
            Self::BadTime => "bad_time",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::TooManyKeys => "too_many_keys",
            Self::UnknownType => "unknown_type",
            Self::NotAnObject => "not_an_object",
            Self::SourceDisabled => "source_disabled",
        }
    }
}

/// One event's refusal. The message is for people and says the remedy; it quotes no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
