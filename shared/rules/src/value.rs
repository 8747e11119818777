//! Values while a condition is evaluated: borrowed from facts, events and the condition itself.

use std::borrow::Cow;
use std::cmp::Ordering;

use kernel::Time;
use prost_types::value::Kind;

use crate::hash::Hash;

/// A value. Whatever is missing is `Null`.
#[derive(Clone, Debug)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(Cow<'a, str>),
    /// Microseconds since the epoch.
    Time(i64),
    /// Microseconds.
    Duration(i64),
    List(Vec<Val<'a>>),
    /// Something with fields: there, and equal to nothing.
    Object,
}

impl<'a> Val<'a> {
    pub(crate) fn number(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }

    pub(crate) const fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// An empty text of an event's fixed fields means that it was not given.
    pub(crate) const fn given(text: &'a str) -> Self {
        if text.is_empty() { Self::Null } else { Self::text(text) }
    }

    pub(crate) fn json(value: &'a serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(number) => number.as_f64().map_or(Self::Null, Self::number),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(list) => Self::List(list.iter().map(Self::json).collect()),
            serde_json::Value::Object(_) => Self::Object,
        }
    }

    pub(crate) fn property(value: &'a prost_types::Value) -> Self {
        match &value.kind {
            None | Some(Kind::NullValue(_)) => Self::Null,
            Some(Kind::BoolValue(bool)) => Self::Bool(*bool),
            Some(Kind::NumberValue(number)) => Self::number(*number),
            Some(Kind::StringValue(text)) => Self::text(text),
            Some(Kind::ListValue(list)) => Self::List(list.values.iter().map(Self::property).collect()),
            Some(Kind::StructValue(_)) => Self::Object,
        }
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) const fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// A moment, reading it from a text where need be.
    pub(crate) fn as_time(&self) -> Option<i64> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Text(text) => Time::parse(text).ok().map(|time| time.0),
            _ => None,
        }
    }

    /// Both as points on one axis, when they are moments or both lengths of time.
    pub(crate) fn ticks(&self, other: &Self) -> Option<(i64, i64)> {
        match (self, other) {
            (Self::Duration(left), Self::Duration(right)) => Some((*left, *right)),
            (Self::Time(left), right) => Some((*left, right.as_time()?)),
            (left, Self::Time(right)) => Some((left.as_time()?, *right)),
            _ => None,
        }
    }

    /// Equality of values; different types are different, except that a time equals a text that writes it.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            _ => self.ticks(other).is_some_and(|(left, right)| left == right),
        }
    }

    /// Order of values; `None` for a missing one and for different types.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.partial_cmp(right),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            _ => self.ticks(other).map(|(left, right)| left.cmp(&right)),
        }
    }
}

/// The value at a path below a property bag; a missing step leads to nothing.
pub(crate) fn property<'a>(
    bag: Option<&'a prost_types::Struct>,
    path: &[String],
) -> Option<&'a prost_types::Value> {
    let (first, rest) = path.split_first()?;
    let mut value = bag?.fields.get(first)?;
    for step in rest {
        let Some(Kind::StructValue(inner)) = &value.kind else { return None };
        value = inner.fields.get(step)?;
    }
    Some(value)
}

/// Stands for a property's value among the distinct ones; `None` when it is missing. Values of different types differ,
/// and objects are the same when all their fields are.
pub(crate) fn fingerprint(value: &prost_types::Value) -> Option<u64> {
    if Val::property(value).is_null() {
        return None;
    }
    let mut hash = Hash::new();
    add_property(&mut hash, value);
    Some(hash.finish())
}

fn add_property(hash: &mut Hash, value: &prost_types::Value) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => hash.add(b"0"),
        Some(Kind::BoolValue(bool)) => hash.add(if *bool { b"t" } else { b"f" }),
        Some(Kind::NumberValue(number)) => {
            hash.add(b"n");
            hash.add(&(number + 0.0).to_bits().to_le_bytes());
        }
        Some(Kind::StringValue(text)) => add_text(hash, text),
        Some(Kind::ListValue(list)) => {
            hash.add(b"[");
            list.values.iter().for_each(|value| add_property(hash, value));
            hash.add(b"]");
        }
        Some(Kind::StructValue(object)) => {
            hash.add(b"{");
            for (name, value) in &object.fields {
                add_text(hash, name);
                add_property(hash, value);
            }
            hash.add(b"}");
        }
    }
}

fn add_text(hash: &mut Hash, text: &str) {
    hash.add(b"s");
    hash.add(&text.len().to_le_bytes());
    hash.add(text.as_bytes());
}
