//! How rules and verdicts are called in tables and on the wire.

use super::graph::{Rule, Verdict};

impl Rule {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SharedIdentifier => "shared_identifier",
            Self::Manual => "manual",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Self> {
        [Self::SharedIdentifier, Self::Manual].into_iter().find(|rule| rule.name() == name)
    }
}

impl Verdict {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::LimitExceeded => "limit_exceeded",
            Self::KeptApart => "kept_apart",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Self> {
        [Self::Joined, Self::LimitExceeded, Self::KeptApart]
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }
}
