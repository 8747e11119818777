//! Aggregates over what a customer did, and sequences of it, as the tree holds them.

use std::fmt;
use std::time::Duration;

use wire::event::Event;

use crate::eval;
use crate::names::is_behaviour;
use crate::series::{Keep, Series};
use crate::tree::{Dotted, Node, Quoted};

/// Which events: of one name or all behaviour, and those that a filter lets through.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// `None`: anything the customer did.
    pub(crate) name: Option<String>,
    /// Reads nothing but the event.
    pub(crate) filter: Option<Node>,
}

impl Selection {
    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.name.as_ref().map_or_else(|| is_behaviour(&event.name), |name| *name == event.name)
            && self.lets(event)
    }

    /// Whether the filter lets it through, its name being right.
    pub(crate) fn lets(&self, event: &Event) -> bool {
        self.filter.as_ref().is_none_or(|filter| eval::matches(filter, event))
    }
}

/// What is computed of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Count,
    Sum(Vec<String>),
    Min(Vec<String>),
    Max(Vec<String>),
    Avg(Vec<String>),
    Distinct(Vec<String>),
    DistinctDays,
    StreakDays,
    First,
    Last,
}

impl What {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum(_) => "sum",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Avg(_) => "avg",
            Self::Distinct(_) => "distinct",
            Self::DistinctDays => "distinct_days",
            Self::StreakDays => "streak_days",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    pub(crate) const fn path(&self) -> Option<&Vec<String>> {
        match self {
            Self::Sum(path) | Self::Min(path) | Self::Max(path) | Self::Avg(path) | Self::Distinct(path) => {
                Some(path)
            }
            _ => None,
        }
    }
}

/// `events(…).within(…).count()` and its like.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) selection: Selection,
    pub(crate) window: Option<Window>,
    pub(crate) what: What,
    /// What a state keeps for it.
    pub(crate) series: Series,
}

impl Aggregate {
    pub(crate) fn new(selection: Selection, window: Option<Window>, what: What) -> Self {
        let keep = match (&what, window) {
            (What::Count | What::DistinctDays | What::StreakDays | What::First | What::Last, Some(_)) => {
                Keep::Times
            }
            (What::Distinct(path), Some(_)) => Keep::Values(path.clone()),
            (What::Sum(path) | What::Min(path) | What::Max(path) | What::Avg(path), Some(_)) => {
                Keep::Numbers(path.clone())
            }
            (What::Count | What::First | What::Last, None) => Keep::Total,
            (What::DistinctDays | What::StreakDays, None) => Keep::Days,
            (What::Distinct(path), None) => Keep::TotalValues(path.clone()),
            (What::Sum(path) | What::Min(path) | What::Max(path) | What::Avg(path), None) => {
                Keep::TotalNumbers(path.clone())
            }
        };
        let series = Series::new(&selection, keep);
        Self { selection, window, what, series }
    }
}

/// How far back from now, in microseconds: now − window < time ≤ now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window(pub(crate) i64);

impl Window {
    pub(crate) fn new(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }

    /// The last moment that is too long ago at `now`.
    pub(crate) const fn start(self, now: i64) -> i64 {
        now.saturating_sub(self.0)
    }

    pub(crate) const fn takes(self, time: i64, now: i64) -> bool {
        self.start(now) < time && time <= now
    }
}

/// `sequence(…).within(…)`.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) names: Vec<String>,
    pub(crate) window: Option<Window>,
    /// For each name, what a state keeps for it.
    pub(crate) series: Vec<Series>,
}

impl Sequence {
    pub(crate) fn new(names: Vec<String>, window: Option<Window>) -> Self {
        let series = names
            .iter()
            .map(|name| Series::new(&Selection { name: Some(name.clone()), filter: None }, Keep::Times))
            .collect();
        Self { names, window, series }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events(")?;
        if let Some(name) = &self.name {
            Quoted(name).fmt(f)?;
        }
        if let Some(filter) = &self.filter {
            write!(f, ", {filter}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".within(\"{}s\")", self.0 / 1_000_000)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selection.fmt(f)?;
        if let Some(window) = self.window {
            window.fmt(f)?;
        }
        write!(f, ".{}(", self.what.name())?;
        if let Some(path) = self.what.path() {
            Dotted(path).fmt(f)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names.iter().map(|name| Quoted(name).to_string()).collect();
        write!(f, "sequence({})", names.join(", "))?;
        self.window.map_or(Ok(()), |window| window.fmt(f))
    }
}
