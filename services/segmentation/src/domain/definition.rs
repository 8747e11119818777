//! What a workspace defines. Segments, managed rules and tier sets are one thing: an ordered list of parts, of which a
//! customer is in the first whose condition holds. A segment has one part; a tier set ends with one that takes the rest.

use kernel::Time;

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A segment.
    Dynamic,
    /// A condition that another service keeps for itself.
    Rule,
    /// Tiers.
    Tiers,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Rule => "rule",
            Self::Tiers => "tiers",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Dynamic, Self::Rule, Self::Tiers].into_iter().find(|kind| kind.name() == text)
    }

    /// Segments and rules share one space of keys, tier sets have their own.
    pub(crate) const fn space(self) -> &'static str {
        match self {
            Self::Dynamic | Self::Rule => "segment",
            Self::Tiers => "tiers",
        }
    }
}

/// How far it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its conditions need history that has not been read; members follow the former conditions.
    Waiting,
    /// Its conditions are in effect; not every customer has been evaluated.
    Evaluating,
    /// Complete.
    Live,
}

impl Phase {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Evaluating => "evaluating",
            Self::Live => "live",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Evaluating, Self::Live].into_iter().find(|phase| phase.name() == text)
    }
}

/// One group of customers within a definition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Part {
    /// Memberships are kept under it; stays while the part exists, never used again.
    pub(crate) id: u32,
    /// A segment's only part has the segment's key.
    pub(crate) key: String,
    pub(crate) name: String,
    /// `None`: takes the rest.
    pub(crate) condition: Option<String>,
    /// Number of the condition in the plan; a changed condition has a new one.
    pub(crate) clause: u32,
}

/// A segment, a rule or a tier set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// As last saved.
    pub(crate) latest: Vec<Part>,
    /// What members follow; empty while a new definition waits for its history.
    pub(crate) active: Vec<Part>,
    pub(crate) phase: Phase,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

impl Definition {
    /// Every condition that the plan must know.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (u32, &str)> {
        let waiting = (self.phase == Phase::Waiting).then_some(&self.latest);
        let parts = self.active.iter().chain(waiting.into_iter().flatten());
        parts.filter_map(|part| Some((part.clause, part.condition.as_deref()?)))
    }

    /// Every part that may have members.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let fresh = |part: &&Part| !self.active.iter().any(|active| active.id == part.id);
        self.active.iter().chain(self.latest.iter().filter(fresh))
    }

    /// Whether its members are listed and their changes told.
    pub(crate) fn is_told(&self) -> bool {
        self.kind != Kind::Tiers
    }
}
