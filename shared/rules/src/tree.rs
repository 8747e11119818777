//! A condition as a tree of our own, after its types were checked.

use std::fmt;
use std::sync::Arc;

use crate::behaviour::{Aggregate, Sequence};
use crate::field::Field;

/// One step of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Literal(Literal),
    Now,
    /// An attribute, by path.
    Profile(Vec<String>),
    Tags,
    Score(String),
    Segment(String),
    /// Something of the event.
    Event(Field),
    List(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// All of them: `&&`.
    Every(Vec<Node>),
    /// One of them: `||`.
    Some(Vec<Node>),
    Equal(Box<Node>, Box<Node>),
    Differ(Box<Node>, Box<Node>),
    Compare(Order, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`.
    If(Box<[Node; 3]>),
    Has(Box<Node>),
    Size(Box<Node>),
    Text(TextTest, Box<Node>, Box<Node>),
    /// A text read as a time.
    Moment(Box<Node>),
    Aggregate(Arc<Aggregate>),
    Sequence(Arc<Sequence>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Microseconds since the epoch.
    Time(i64),
    /// Microseconds.
    Duration(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(crate) const fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

impl TextTest {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
        }
    }

    pub(crate) fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::Contains => text.contains(part),
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
        }
    }
}

impl Node {
    /// What it is if it is never true nor false, whatever it is calculated from.
    pub(crate) fn calculated(&self) -> Option<&'static str> {
        match self {
            Self::Arithmetic(..) | Self::Negate(_) => Some("a calculation"),
            Self::Literal(Literal::Null) => Some("null"),
            Self::If(parts) => {
                let [_, then, otherwise] = &**parts;
                otherwise.calculated().and(then.calculated())
            }
            _ => None,
        }
    }

    /// The steps directly below. What stands in the filter of an aggregate is not below: it speaks of other events.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::List(list) | Self::Every(list) | Self::Some(list) => list.iter().collect(),
            Self::Not(one) | Self::Negate(one) | Self::Has(one) | Self::Size(one) | Self::Moment(one) => {
                vec![one]
            }
            Self::Equal(left, right)
            | Self::Differ(left, right)
            | Self::Compare(_, left, right)
            | Self::In(left, right)
            | Self::Arithmetic(_, left, right)
            | Self::Text(_, left, right) => vec![left, right],
            Self::If(three) => three.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Calls `visit` for this step and everything below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
}

/// Canonical text: equal trees give equal texts, however they were written. Ids of series are hashes of it, so its
/// form must never change.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Now => f.write_str("now"),
            Self::Profile(path) => write!(f, "profile.{}", Dotted(path)),
            Self::Tags => f.write_str("tags"),
            Self::Score(key) => write!(f, "scores.{}", Dotted(std::slice::from_ref(key))),
            Self::Segment(key) => write!(f, "in_segment({})", Quoted(key)),
            Self::Event(field) => write!(f, "e.{field}"),
            Self::List(list) => write!(f, "[{}]", Joined(list, ", ")),
            Self::Every(list) => write!(f, "({})", Joined(list, " && ")),
            Self::Some(list) => write!(f, "({})", Joined(list, " || ")),
            Self::Not(one) => write!(f, "!{one}"),
            Self::Negate(one) => write!(f, "-{one}"),
            Self::Equal(left, right) => write!(f, "({left} == {right})"),
            Self::Differ(left, right) => write!(f, "({left} != {right})"),
            Self::Compare(order, left, right) => write!(f, "({left} {} {right})", order.sign()),
            Self::In(left, right) => write!(f, "({left} in {right})"),
            Self::Arithmetic(sign, left, right) => write!(f, "({left} {} {right})", sign.sign()),
            Self::If(three) => write!(f, "({} ? {} : {})", three[0], three[1], three[2]),
            Self::Has(one) => write!(f, "has({one})"),
            Self::Size(one) => write!(f, "size({one})"),
            Self::Text(test, text, part) => write!(f, "{text}.{}({part})", test.name()),
            Self::Moment(one) => write!(f, "timestamp({one})"),
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Sequence(sequence) => sequence.fmt(f),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => Quoted(text).fmt(f),
            Self::Time(micros) => write!(f, "timestamp(\"{}\")", kernel::Time(*micros)),
            Self::Duration(micros) => write!(f, "duration(\"{}s\")", micros / 1_000_000),
        }
    }
}

struct Joined<'a>(&'a [Node], &'a str);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, node) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(self.1)?;
            }
            node.fmt(f)?;
        }
        Ok(())
    }
}

/// A text in double quotes with `"` and `\` escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    }
}

/// A path with dots between its steps; a step that is more than a plain word stands in quotes.
pub(crate) struct Dotted<'a>(pub(crate) &'a [String]);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            if !step.is_empty() && step.chars().all(|c| c.is_alphanumeric() || c == '_') {
                f.write_str(step)?;
            } else {
                Quoted(step).fmt(f)?;
            }
        }
        Ok(())
    }
}
