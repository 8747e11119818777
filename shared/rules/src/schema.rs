//! What a workspace knows of its customers and events, so that mistakes are found when a condition is saved.

use std::collections::{BTreeMap, BTreeSet};

/// The type of a value in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// Whole and fractional numbers alike (64-bit floating point).
    Number,
    /// Text.
    Text,
    /// A moment; attributes and properties write it in RFC 3339.
    Time,
    /// A length of time.
    Duration,
    /// A list of anything.
    List,
    /// Not known before it is evaluated.
    Any,
}

impl Type {
    /// As a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "a yes-or-no",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::Duration => "a length of time",
            Self::List => "a list",
            Self::Any => "anything",
        }
    }
}

/// The names of one kind that are known. `None`: open, so any name may be used.
pub type Known<T> = Option<BTreeMap<String, T>>;

/// What is known. The default knows nothing and refuses no name.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Attributes by name (`city`) or dotted path (`address.city`). A path below a name of type `Any` is free.
    pub attributes: Known<Type>,
    /// Event names, each with its properties by name or dotted path.
    pub events: Known<Known<Type>>,
    /// Keys of tags.
    pub tags: Option<BTreeSet<String>>,
    /// Keys of segments.
    pub segments: Option<BTreeSet<String>>,
    /// Keys of scores.
    pub scores: Option<BTreeSet<String>>,
}

impl Schema {
    /// Knows nothing, refuses nothing.
    pub fn open() -> Self {
        Self::default()
    }
}

/// Looks a path up: its own type, or `Any` when it leads below a known name of type `Any`; `None` when unknown.
pub(crate) fn look_up(known: &BTreeMap<String, Type>, path: &[String]) -> Option<Type> {
    if let Some(found) = known.get(&path.join(".")) {
        return Some(*found);
    }
    (1..path.len())
        .rev()
        .find_map(|length| known.get(&path.get(..length)?.join(".")))
        .filter(|t| **t == Type::Any)
        .copied()
}
