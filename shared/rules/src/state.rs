//! What is remembered of one record's events, over all series of a plan.
//!
//! A state is a function of the multiset of events applied: no order makes a difference, and the union of two states is
//! the state of all their events. That is why a customer's states are its records' states, and why backfilled history
//! joins what came in meanwhile.

mod codec;
mod points;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

pub(crate) use self::points::{Number, Points};
use crate::field::time_of;
use crate::series::Keep;
use crate::sums;
use crate::value::{Val, fingerprint, property};

/// Per-record state over all series. Made by [`Plan::apply`](crate::Plan::apply).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    kept: BTreeMap<u64, Kept>,
}

/// What is kept for one series; see [`Keep`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Times(Points<()>),
    Numbers(Points<Number>),
    Values(Points<u64>),
    Total { count: u64, first: i64, last: i64 },
    TotalNumbers { count: u64, sum: i128, min: Number, max: Number },
    TotalValues(BTreeSet<u64>),
    Days(BTreeSet<i32>),
}

impl Kept {
    /// What one event leaves; nothing when it has no value of the sort.
    pub(crate) fn of(keep: &Keep, event: &Event, zone: &TimeZone) -> Option<Self> {
        let time = time_of(event);
        let value = |path: &[String]| property(event.properties.as_ref(), path);
        let number = |path: &[String]| match Val::property(value(path)?) {
            Val::Number(number) => Some(Number::new(number)),
            _ => None,
        };
        Some(match keep {
            Keep::Times => Self::Times(Points::one(time.0, ())),
            Keep::Numbers(path) => Self::Numbers(Points::one(time.0, number(path)?)),
            Keep::Values(path) => Self::Values(Points::one(time.0, fingerprint(value(path)?)?)),
            Keep::Total => Self::Total { count: 1, first: time.0, last: time.0 },
            Keep::TotalNumbers(path) => {
                let number = number(path)?;
                Self::TotalNumbers { count: 1, sum: sums::millionths(number.get()), min: number, max: number }
            }
            Keep::TotalValues(path) => Self::TotalValues(BTreeSet::from([fingerprint(value(path)?)?])),
            Keep::Days => Self::Days(BTreeSet::from([time.day(zone)])),
        })
    }

    /// Takes in what others left. Two of different sorts under one id cannot be; the first stays then.
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Times(mine), Self::Times(others)) => mine.merge(others),
            (Self::Numbers(mine), Self::Numbers(others)) => mine.merge(others),
            (Self::Values(mine), Self::Values(others)) => mine.merge(others),
            (
                Self::Total { count, first, last },
                Self::Total { count: more, first: earlier, last: later },
            ) => {
                *count += more;
                *first = earlier.min(*first);
                *last = later.max(*last);
            }
            (
                Self::TotalNumbers { count, sum, min, max },
                Self::TotalNumbers { count: more, sum: added, min: less, max: greater },
            ) => {
                *count += more;
                *sum += added;
                *min = less.min(*min);
                *max = greater.max(*max);
            }
            (Self::TotalValues(mine), Self::TotalValues(others)) => mine.extend(others),
            (Self::Days(mine), Self::Days(others)) => mine.extend(others),
            _ => {}
        }
    }

    /// Drops points at or before `start`; says whether anything is left.
    fn forget_until(&mut self, start: i64) -> bool {
        match self {
            Self::Times(points) => points.forget_until(start),
            Self::Numbers(points) => points.forget_until(start),
            Self::Values(points) => points.forget_until(start),
            _ => true,
        }
    }
}

impl State {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is remembered, so that it need not be stored.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Reads what [`State::encode`] wrote. Series that no plan knows any more are read too.
    ///
    /// # Errors
    /// The bytes are damaged or of a later version.
    pub fn decode(bytes: &[u8]) -> kernel::Result<Self> {
        codec::decode(bytes).map(|kept| Self { kept }).ok_or_else(|| {
            kernel::Error::internal(format!(
                "{} bytes are not a state of conditions; rebuild it from history",
                bytes.len()
            ))
        })
    }

    /// Compact bytes; equal states give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.kept)
    }

    /// The union with another state: that of all events of both. Commutative and associative, not idempotent: the same
    /// event in both counts twice.
    pub fn merge(&mut self, other: Self) {
        for (id, kept) in other.kept {
            self.add(id, kept);
        }
    }

    /// Forgets a series, for one whose window grew and that is filled again from history.
    pub fn forget(&mut self, series: u64) {
        self.kept.remove(&series);
    }

    pub(crate) fn add(&mut self, id: u64, kept: Kept) {
        match self.kept.entry(id) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(kept);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(kept),
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// Keeps the series that `wanted` knows.
    pub(crate) fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        self.kept.retain(|id, _| wanted(*id));
    }

    /// Drops points that left their window, which `start` gives by series; says whether anything was dropped.
    pub(crate) fn expire(&mut self, now: Time, start: impl Fn(u64, Time) -> Option<i64>) {
        self.kept.retain(|id, kept| start(*id, now).is_none_or(|start| kept.forget_until(start)));
    }
}
