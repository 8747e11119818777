//! The incremental way: aggregates come from kept states, with the moment at which they change by themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

use super::Plan;
use crate::behaviour::{Aggregate, Sequence, What, Window};
use crate::eval::{NEVER, Timed, World, eval};
use crate::facts::Facts;
use crate::series::Series;
use crate::state::{Kept, Number, Points, State};
use crate::sums;
use crate::value::Val;

/// Moments at which a part changes but the answer does not are passed over, this many at most: enough to spare most
/// wake-ups, and a bound on the work of one evaluation.
const MAX_LOOK_AHEAD: usize = 16;

/// A customer with its kept states.
pub struct View<'a> {
    /// One for each record.
    pub states: &'a [&'a State],
    /// Attributes, tags, scores.
    pub facts: &'a Facts,
    /// Whether the customer is in the segment of a key.
    pub segments: &'a dyn Fn(&str) -> bool,
    /// The event that triggers, for conditions made by [`Condition::trigger`](crate::Condition::trigger).
    pub event: Option<&'a Event>,
}

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it holds.
    pub holds: bool,
    /// The next moment, after now, at which it may come out otherwise though nothing happens; evaluate again then. It
    /// is never later than the true change. `None`: never.
    pub until: Option<Time>,
}

impl Plan {
    /// Evaluates one condition for a customer at `now`. A condition that is not in the plan never holds.
    pub fn evaluate(&self, id: u32, view: &View<'_>, now: Time, zone: &TimeZone) -> Answer {
        let Some(condition) = self.conditions.get(&id) else { return Answer { holds: false, until: None } };
        let at = |now: i64| {
            let timed = eval(condition.root(), &Live { view, now, zone });
            (timed.val.is_true(), timed.until)
        };
        let (holds, mut until) = at(now.0);
        for _ in 0..MAX_LOOK_AHEAD {
            if until == NEVER {
                break;
            }
            match at(until) {
                (same, later) if same == holds => until = later,
                _ => break,
            }
        }
        Answer { holds, until: (until != NEVER).then_some(Time(until)) }
    }
}

struct Live<'a> {
    view: &'a View<'a>,
    now: i64,
    zone: &'a TimeZone,
}

/// Points inside a window, of all records, and when that changes.
struct Inside<'a, T> {
    parts: Vec<&'a [(i64, T)]>,
    /// When the oldest leaves.
    leaves: i64,
    /// When the next comes in: it has a time in the future.
    comes: i64,
}

impl<T> Inside<'_, T> {
    fn points(&self) -> impl Iterator<Item = &(i64, T)> {
        self.parts.iter().copied().flatten()
    }

    fn count(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    fn until(&self) -> i64 {
        self.leaves.min(self.comes)
    }
}

impl<'a> Live<'a> {
    fn kept(&self, series: &Series) -> impl Iterator<Item = &'a Kept> {
        let id = series.id;
        self.view.states.iter().filter_map(move |state| state.get(id))
    }

    fn inside<T: Copy + Ord + 'a>(
        &self,
        series: &Series,
        window: Option<Window>,
        points: impl Fn(&'a Kept) -> Option<&'a Points<T>>,
    ) -> Inside<'a, T> {
        let mut inside = Inside { parts: Vec::new(), leaves: NEVER, comes: NEVER };
        for points in self.kept(series).filter_map(points) {
            let Some(window) = window else {
                inside.parts.push(points.all());
                continue;
            };
            let (part, next) = points.between(window.start(self.now), self.now);
            if let Some((oldest, _)) = part.first() {
                inside.leaves = inside.leaves.min(oldest.saturating_add(window.0));
            }
            inside.comes = inside.comes.min(next.unwrap_or(NEVER));
            inside.parts.push(part);
        }
        inside
    }

    fn times(&self, series: &Series, window: Option<Window>) -> Inside<'a, ()> {
        self.inside(series, window, |kept| if let Kept::Times(points) = kept { Some(points) } else { None })
    }

    fn numbers(&self, aggregate: &Aggregate) -> (Numbers, i64) {
        if aggregate.window.is_none() {
            let mut all = Numbers::default();
            for kept in self.kept(&aggregate.series) {
                if let Kept::TotalNumbers { count, sum, min, max } = kept {
                    all.add(Numbers { count: *count, sum: *sum, range: Some((*min, *max)) });
                }
            }
            return (all, NEVER);
        }
        let inside = self.inside(&aggregate.series, aggregate.window, |kept| {
            if let Kept::Numbers(points) = kept { Some(points) } else { None }
        });
        let mut all = Numbers::default();
        for (_, number) in inside.points() {
            all.add(Numbers {
                count: 1,
                sum: sums::millionths(number.get()),
                range: Some((*number, *number)),
            });
        }
        (all, inside.until())
    }

    fn distinct(&self, aggregate: &Aggregate) -> (usize, i64) {
        if aggregate.window.is_none() {
            let sets = self.kept(&aggregate.series).filter_map(|kept| match kept {
                Kept::TotalValues(values) => Some(values),
                _ => None,
            });
            return (union(sets), NEVER);
        }
        let inside = self.inside(&aggregate.series, aggregate.window, |kept| {
            if let Kept::Values(points) = kept { Some(points) } else { None }
        });
        (inside.points().map(|(_, value)| *value).collect::<BTreeSet<u64>>().len(), inside.until())
    }

    fn days(&self, aggregate: &Aggregate) -> (BTreeSet<i32>, i64) {
        if aggregate.window.is_none() {
            let sets = self.kept(&aggregate.series).filter_map(|kept| match kept {
                Kept::Days(days) => Some(days),
                _ => None,
            });
            return (sets.flatten().copied().collect(), NEVER);
        }
        let inside = self.times(&aggregate.series, aggregate.window);
        (inside.points().map(|(time, ())| Time(*time).day(self.zone)).collect(), inside.until())
    }

    /// How many, first and last time, until when.
    fn total(&self, aggregate: &Aggregate) -> (u64, Option<(i64, i64)>, i64) {
        let mut count = 0;
        let mut range: Option<(i64, i64)> = None;
        let mut add = |first: i64, last: i64| {
            range =
                Some(range.map_or((first, last), |(least, greatest)| (least.min(first), greatest.max(last))));
        };
        if aggregate.window.is_none() {
            for kept in self.kept(&aggregate.series) {
                if let Kept::Total { count: more, first, last } = kept {
                    count += more;
                    add(*first, *last);
                }
            }
            return (count, range, NEVER);
        }
        let inside = self.times(&aggregate.series, aggregate.window);
        for part in &inside.parts {
            if let (Some((first, ())), Some((last, ()))) = (part.first(), part.last()) {
                add(*first, *last);
            }
        }
        (inside.count() as u64, range, inside.until())
    }
}

/// What numbers come to.
#[derive(Default)]
struct Numbers {
    count: u64,
    sum: i128,
    range: Option<(Number, Number)>,
}

impl Numbers {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.range = match (self.range, other.range) {
            (Some((min, max)), Some((less, greater))) => Some((min.min(less), max.max(greater))),
            (one, other) => one.or(other),
        };
    }
}

fn union<'a>(mut sets: impl Iterator<Item = &'a BTreeSet<u64>>) -> usize {
    let Some(first) = sets.next() else { return 0 };
    match sets.next() {
        None => first.len(),
        Some(second) => first.iter().chain(second).chain(sets.flatten()).collect::<BTreeSet<_>>().len(),
    }
}

impl<'a> World<'a> for Live<'a> {
    fn now(&self) -> i64 {
        self.now
    }
    fn attribute(&self, path: &[String]) -> Val<'a> {
        self.view.facts.attribute(path)
    }
    fn tags(&self) -> Val<'a> {
        self.view.facts.tags()
    }
    fn has_tag(&self, key: &str) -> bool {
        self.view.facts.tags.contains(key)
    }
    fn score(&self, key: &str) -> Val<'a> {
        self.view.facts.score(key)
    }
    fn in_segment(&self, key: &str) -> bool {
        (self.view.segments)(key)
    }
    fn event(&self) -> Option<&'a Event> {
        self.view.event
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Timed<'a> {
        let number = |number: f64, until: i64| Timed::until(Val::Number(number), until);
        match &aggregate.what {
            What::Count => {
                let (count, _, until) = self.total(aggregate);
                number(count as f64, until)
            }
            What::First | What::Last => {
                let (_, range, until) = self.total(aggregate);
                let chosen =
                    range.map(|(first, last)| if aggregate.what == What::First { first } else { last });
                Timed::until(chosen.map_or(Val::Null, Val::Time), until)
            }
            What::Sum(_) | What::Avg(_) | What::Min(_) | What::Max(_) => {
                let (all, until) = self.numbers(aggregate);
                let val = match (&aggregate.what, all.range) {
                    (What::Sum(_), _) => Val::Number(sums::number(all.sum)),
                    (_, None) => Val::Null,
                    (What::Avg(_), Some(_)) => Val::Number(sums::number(all.sum) / all.count as f64),
                    (What::Min(_), Some((min, _))) => Val::Number(min.get()),
                    (_, Some((_, max))) => Val::Number(max.get()),
                };
                Timed::until(val, until)
            }
            What::Distinct(_) => {
                let (count, until) = self.distinct(aggregate);
                number(count as f64, until)
            }
            What::DistinctDays => {
                let (days, until) = self.days(aggregate);
                number(days.len() as f64, until)
            }
            What::StreakDays => {
                let (days, until) = self.days(aggregate);
                number(sums::longest_run(days) as f64, until)
            }
        }
    }

    /// As nothing comes in, the count falls step by step: the test changes when the right number of the oldest points
    /// has left.
    fn count_holds(&self, aggregate: &Aggregate, test: &dyn Fn(f64) -> bool) -> (bool, i64) {
        let inside = self.times(&aggregate.series, aggregate.window);
        let count = inside.count();
        let holds = test(count as f64);
        let Some(window) = aggregate.window.filter(|_| inside.comes == NEVER) else {
            return (holds, inside.until());
        };
        let Some(left) = (0..count).rev().find(|left| test(*left as f64) != holds) else {
            return (holds, NEVER);
        };
        let leaving = count - left - 1;
        let last_to_leave = match inside.parts.as_slice() {
            [part] => part.get(leaving).map(|(time, ())| *time),
            _ => {
                let mut times: Vec<i64> = inside.points().map(|(time, ())| *time).collect();
                times.sort_unstable();
                times.get(leaving).copied()
            }
        };
        (holds, last_to_leave.map_or(inside.until(), |time| time.saturating_add(window.0)))
    }

    /// It holds until the first event of the latest way through leaves; it does not hold until another event comes in.
    fn sequence(&self, sequence: &Sequence) -> Timed<'a> {
        let mut times: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        let mut next = NEVER;
        for series in &sequence.series {
            times.entry(series.id).or_insert_with(|| {
                let inside = self.times(series, sequence.window);
                next = next.min(inside.comes);
                let mut times: Vec<i64> = inside.points().map(|(time, ())| *time).collect();
                times.sort_unstable();
                times
            });
        }
        // From the end: the latest last event, before it the latest before that, and so on.
        let mut reached = i64::MAX;
        for series in sequence.series.iter().rev() {
            let Some(left) = times.get_mut(&series.id) else { continue };
            left.truncate(left.partition_point(|time| *time <= reached));
            let Some(time) = left.pop() else { return Timed::until(Val::Bool(false), next) };
            reached = time;
        }
        let until = sequence.window.map_or(NEVER, |window| reached.saturating_add(window.0));
        Timed::until(Val::Bool(true), until)
    }
}
