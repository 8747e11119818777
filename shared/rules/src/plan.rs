//! Many conditions at once: which series they need, which events feed those, and what to evaluate again after a change.

mod build;
mod live;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

pub use self::live::{Answer, View};
use crate::behaviour::{Selection, Window};
use crate::condition::Condition;
use crate::names::is_behaviour;
use crate::series::Series;
use crate::state::{Kept, State};

/// The incremental form of many conditions. Immutable; built anew when a condition changes, and states outlive it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    conditions: BTreeMap<u32, Condition>,
    series: Vec<Planned>,
    by_id: HashMap<u64, usize>,
    groups: Vec<Group>,
    by_name: HashMap<String, Vec<usize>>,
    /// Groups of `events()` without a name.
    any_event: Vec<usize>,
    dependents: Dependents,
}

/// A series and who needs it.
#[derive(Clone, Debug)]
struct Planned {
    series: Series,
    /// Largest window; `None` keeps everything.
    window: Option<Window>,
    name: Option<String>,
    conditions: BTreeSet<u32>,
}

/// Series of one selection: its filter is evaluated once for all of them.
#[derive(Clone, Debug)]
struct Group {
    selection: Selection,
    series: Vec<usize>,
}

/// Which conditions read what.
#[derive(Clone, Debug, Default)]
struct Dependents {
    attributes: HashMap<String, BTreeSet<u32>>,
    tags: HashMap<String, BTreeSet<u32>>,
    any_tag: BTreeSet<u32>,
    scores: HashMap<String, BTreeSet<u32>>,
    segments: HashMap<String, BTreeSet<u32>>,
}

/// A series as a service sees it, to know what must be filled from history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedSeries {
    /// Stays the same over restarts and edits for the same events, filter and property.
    pub id: u64,
    /// Name of its events; `None`: all behaviour.
    pub event: Option<String>,
    /// How far back it must reach; `None`: to the beginning.
    pub window: Option<Duration>,
}

/// Conditions to evaluate again, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched(Vec<u32>);

impl Touched {
    fn new(mut ids: Vec<u32>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }

    /// Whether nothing needs to be evaluated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, ascending.
    pub fn ids(&self) -> &[u32] {
        &self.0
    }
}

impl IntoIterator for Touched {
    type Item = u32;
    type IntoIter = std::vec::IntoIter<u32>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Plan {
    /// Builds it. A later condition takes the place of an earlier one with the same id.
    pub fn new<'a>(conditions: impl IntoIterator<Item = (u32, &'a Condition)>) -> Self {
        build::plan(conditions.into_iter().map(|(id, condition)| (id, condition.clone())).collect())
    }

    /// Takes one event of a record into its state, and says which conditions may have another answer or another time
    /// of change. Looks at nothing but series whose event name fits. Each event must be applied once; the order does
    /// not matter. Days begin at midnight in `zone`.
    pub fn apply(&self, state: &mut State, event: &Event, zone: &TimeZone) -> Touched {
        let named = self.by_name.get(&event.name).map_or(&[][..], Vec::as_slice);
        let any = if is_behaviour(&event.name) { self.any_event.as_slice() } else { &[] };
        let mut touched = Vec::new();
        for group in named.iter().chain(any).filter_map(|at| self.groups.get(*at)) {
            if !group.selection.lets(event) {
                continue;
            }
            for planned in group.series.iter().filter_map(|at| self.series.get(*at)) {
                if let Some(kept) = Kept::of(&planned.series.keep, event, zone) {
                    state.add(planned.series.id, kept);
                    touched.extend(&planned.conditions);
                }
            }
        }
        Touched::new(touched)
    }

    /// Whether an event of this name can touch anything: spares loading the state when not.
    pub fn looks_at(&self, event_name: &str) -> bool {
        self.by_name.contains_key(event_name) || !self.any_event.is_empty() && is_behaviour(event_name)
    }

    /// The conditions by id.
    pub fn conditions(&self) -> impl Iterator<Item = (u32, &Condition)> {
        self.conditions.iter().map(|(id, condition)| (*id, condition))
    }

    /// The condition of an id.
    pub fn condition(&self, id: u32) -> Option<&Condition> {
        self.conditions.get(&id)
    }

    /// Every series, by id.
    pub fn series(&self) -> Vec<PlannedSeries> {
        let seen = |planned: &Planned| PlannedSeries {
            id: planned.series.id,
            event: planned.name.clone(),
            window: planned.window.map(|window| Duration::from_micros(window.0.unsigned_abs())),
        };
        let mut all: Vec<PlannedSeries> = self.series.iter().map(seen).collect();
        all.sort();
        all
    }

    /// Ids of the series that states made with `before` lack: new ones, and those whose window grew. To fill them:
    /// [`State::forget`] them, apply the history to a new state with [`Plan::only`] of them, and [`State::merge`] it.
    pub fn lacking(&self, before: &[PlannedSeries]) -> BTreeSet<u64> {
        let covers = |old: Option<Duration>, new: Option<Duration>| match (old, new) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(new)) => old >= new,
        };
        let had = |series: &PlannedSeries| {
            before.iter().any(|old| old.id == series.id && covers(old.window, series.window))
        };
        self.series().into_iter().filter(|series| !had(series)).map(|series| series.id).collect()
    }

    /// The same plan for some of its series only.
    #[must_use]
    pub fn only(&self, series: &BTreeSet<u64>) -> Self {
        let mut plan = self.clone();
        for group in &mut plan.groups {
            group
                .series
                .retain(|at| self.series.get(*at).is_some_and(|planned| series.contains(&planned.series.id)));
        }
        plan
    }

    /// Drops from a state every series that this plan does not have.
    pub fn prune(&self, state: &mut State) {
        state.retain(|id| self.by_id.contains_key(&id));
    }

    /// Drops points that are out of every window at `now`, and so for ever. Answers stay the same from `now` on.
    pub fn expire(&self, state: &mut State, now: Time) {
        state.expire(now, |id, now| {
            let planned = self.series.get(*self.by_id.get(&id)?)?;
            Some(planned.window?.start(now.0))
        });
    }

    /// Conditions that read one of these attributes (outermost names).
    pub fn on_attributes<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Touched {
        union(&self.dependents.attributes, names)
    }

    /// Conditions that read one of these tags.
    pub fn on_tags<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Touched {
        let Touched(mut ids) = union(&self.dependents.tags, keys);
        ids.extend(&self.dependents.any_tag);
        Touched::new(ids)
    }

    /// Conditions that read one of these scores.
    pub fn on_scores<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Touched {
        union(&self.dependents.scores, keys)
    }

    /// Conditions that ask for one of these segments.
    pub fn on_segments<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Touched {
        union(&self.dependents.segments, keys)
    }
}

fn union<'a>(by: &HashMap<String, BTreeSet<u32>>, names: impl IntoIterator<Item = &'a str>) -> Touched {
    Touched::new(names.into_iter().filter_map(|name| by.get(name)).flatten().copied().collect())
}
