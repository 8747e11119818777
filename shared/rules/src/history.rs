//! The whole-history way: every aggregate is computed anew from all events. Plain on purpose, for it is also the law
//! that the incremental way is tested against.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

use crate::behaviour::{Aggregate, Sequence, What};
use crate::eval::{Timed, World};
use crate::facts::Facts;
use crate::field::time_of;
use crate::sums;
use crate::value::{Val, fingerprint, property};

/// A customer with its whole history.
pub struct Customer<'a> {
    /// Attributes, tags, scores.
    pub facts: &'a Facts,
    /// Every event of every record, in any order.
    pub history: &'a [&'a Event],
    /// Whether the customer is in the segment of a key.
    pub segments: &'a dyn Fn(&str) -> bool,
}

pub(crate) struct Whole<'a> {
    pub(crate) customer: &'a Customer<'a>,
    /// The event that triggers, if the condition speaks of one.
    pub(crate) event: Option<&'a Event>,
    pub(crate) now: Time,
    pub(crate) zone: &'a TimeZone,
}

impl<'a> Whole<'a> {
    /// The events that an aggregate takes.
    pub(crate) fn selected(&self, aggregate: &Aggregate) -> Vec<&'a Event> {
        let inside =
            |event: &Event| aggregate.window.is_none_or(|window| window.takes(time_of(event).0, self.now.0));
        let history = self.customer.history.iter().copied();
        history.filter(|event| inside(event) && aggregate.selection.takes(event)).collect()
    }

    /// The events of a sequence, each the earliest after the one before; at the same moment any order will do.
    pub(crate) fn way_through(&self, sequence: &Sequence) -> Option<Vec<&'a Event>> {
        let inside =
            |event: &Event| sequence.window.is_none_or(|window| window.takes(time_of(event).0, self.now.0));
        let mut left: Vec<&'a Event> =
            self.customer.history.iter().copied().filter(|event| inside(event)).collect();
        left.sort_by_key(|event| time_of(event));
        let mut way: Vec<&'a Event> = Vec::new();
        for name in &sequence.names {
            let reached = way.last().map_or(Time::MIN, |event| time_of(event));
            let next = left.iter().position(|event| event.name == *name && time_of(event) >= reached)?;
            way.push(left.remove(next));
        }
        Some(way)
    }
}

impl<'a> World<'a> for Whole<'a> {
    fn now(&self) -> i64 {
        self.now.0
    }
    fn attribute(&self, path: &[String]) -> Val<'a> {
        self.customer.facts.attribute(path)
    }
    fn tags(&self) -> Val<'a> {
        self.customer.facts.tags()
    }
    fn has_tag(&self, key: &str) -> bool {
        self.customer.facts.tags.contains(key)
    }
    fn score(&self, key: &str) -> Val<'a> {
        self.customer.facts.score(key)
    }
    fn in_segment(&self, key: &str) -> bool {
        (self.customer.segments)(key)
    }
    fn event(&self) -> Option<&'a Event> {
        self.event
    }
    fn aggregate(&self, aggregate: &Aggregate) -> Timed<'a> {
        Timed::fixed(compute(&aggregate.what, &self.selected(aggregate), self.zone))
    }
    fn sequence(&self, sequence: &Sequence) -> Timed<'a> {
        Timed::fixed(Val::Bool(self.way_through(sequence).is_some()))
    }
}

fn compute<'a>(what: &What, events: &[&Event], zone: &TimeZone) -> Val<'a> {
    let numbers = |path: &[String]| -> Vec<f64> {
        let read = |event: &&Event| match Val::property(property(event.properties.as_ref(), path)?) {
            Val::Number(number) => Some(number),
            _ => None,
        };
        events.iter().filter_map(read).collect()
    };
    let sum = |numbers: &[f64]| sums::number(numbers.iter().copied().map(sums::millionths).sum());
    let days = || -> BTreeSet<i32> { events.iter().map(|event| time_of(event).day(zone)).collect() };
    match what {
        What::Count => Val::Number(events.len() as f64),
        What::Sum(path) => Val::Number(sum(&numbers(path))),
        What::Min(path) => numbers(path).into_iter().reduce(f64::min).map_or(Val::Null, Val::Number),
        What::Max(path) => numbers(path).into_iter().reduce(f64::max).map_or(Val::Null, Val::Number),
        What::Avg(path) => {
            let numbers = numbers(path);
            if numbers.is_empty() { Val::Null } else { Val::Number(sum(&numbers) / numbers.len() as f64) }
        }
        What::Distinct(path) => {
            let read = |event: &&Event| fingerprint(property(event.properties.as_ref(), path)?);
            Val::Number(events.iter().filter_map(read).collect::<BTreeSet<u64>>().len() as f64)
        }
        What::DistinctDays => Val::Number(days().len() as f64),
        What::StreakDays => Val::Number(sums::longest_run(days()) as f64),
        What::First => events.iter().map(|event| time_of(event).0).min().map_or(Val::Null, Val::Time),
        What::Last => events.iter().map(|event| time_of(event).0).max().map_or(Val::Null, Val::Time),
    }
}
