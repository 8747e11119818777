//! Why a condition holds or does not: each part with its value and the events that decided it.

use jiff::tz::TimeZone;
use kernel::Time;
use serde_json::Value;
use wire::event::Event;

use crate::condition::Condition;
use crate::eval::eval;
use crate::field::time_of;
use crate::history::{Customer, Whole};
use crate::tree::Node;
use crate::value::Val;

/// A part of a condition and what it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The part, written in one canonical way.
    pub text: String,
    /// Its value: a time in RFC 3339, a length of time in seconds, null for what is missing.
    pub value: Value,
    /// Ids of the events that an aggregate took, or that a sequence went through; by time.
    pub events: Vec<String>,
    /// The parts of it; constants are left out.
    pub parts: Vec<Explained>,
}

impl Condition {
    /// Explains the answer for a customer at `now`, from the whole history. `event` is the one that triggers, if any.
    pub fn explain(
        &self,
        event: Option<&Event>,
        customer: &Customer<'_>,
        now: Time,
        zone: &TimeZone,
    ) -> Explained {
        part(self.root(), &Whole { customer, event, now, zone })
    }
}

fn part(node: &Node, world: &Whole<'_>) -> Explained {
    let mut events = match node {
        Node::Aggregate(aggregate) => world.selected(aggregate),
        Node::Sequence(sequence) => world.way_through(sequence).unwrap_or_default(),
        _ => Vec::new(),
    };
    events.sort_by_key(|event| time_of(event));
    let constant = |node: &&Node| matches!(node, Node::Literal(_));
    Explained {
        text: node.to_string(),
        value: json(&eval(node, world).val),
        events: events.into_iter().map(|event| event.id.clone()).collect(),
        parts: node
            .children()
            .into_iter()
            .filter(|node| !constant(node))
            .map(|node| part(node, world))
            .collect(),
    }
}

fn json(val: &Val<'_>) -> Value {
    match val {
        Val::Null => Value::Null,
        Val::Bool(bool) => Value::Bool(*bool),
        Val::Number(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Val::Text(text) => Value::String(text.to_string()),
        Val::Time(micros) => Value::String(Time(*micros).to_string()),
        Val::Duration(micros) => Value::String(format!("{}s", *micros as f64 / 1e6)),
        Val::List(list) => Value::Array(list.iter().map(json).collect()),
        Val::Object => Value::String("{…}".to_owned()),
    }
}
