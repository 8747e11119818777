//! Evaluation of a tree, and until when its value stays: the one place where operators get their meaning.
//!
//! What a condition reads comes through [`World`]: the whole history or the kept state answer in their own ways, and
//! everything else is shared between them.

use wire::event::Event;

use crate::behaviour::{Aggregate, Sequence, What};
use crate::tree::{Arithmetic, Literal, Node, Order};
use crate::value::Val;

/// No moment: the value never changes by itself.
pub(crate) const NEVER: i64 = i64::MAX;

/// What a condition is evaluated over.
pub(crate) trait World<'a> {
    fn now(&self) -> i64;
    fn attribute(&self, path: &[String]) -> Val<'a>;
    fn tags(&self) -> Val<'a>;
    fn has_tag(&self, key: &str) -> bool;
    fn score(&self, key: &str) -> Val<'a>;
    fn in_segment(&self, key: &str) -> bool;
    fn event(&self) -> Option<&'a Event>;
    fn aggregate(&self, aggregate: &Aggregate) -> Timed<'a>;
    fn sequence(&self, sequence: &Sequence) -> Timed<'a>;

    /// The truth of a test on a count, and until when it stays. Worth its own method: a test mostly stays far longer
    /// than the count.
    fn count_holds(&self, aggregate: &Aggregate, test: &dyn Fn(f64) -> bool) -> (bool, i64) {
        let count = self.aggregate(aggregate);
        (matches!(count.val, Val::Number(number) if test(number)), count.until)
    }
}

/// A value and how it goes on: a time or a length of time that moves by `slope` microseconds for each microsecond that
/// passes, and otherwise stays as it is before the moment `until`.
#[derive(Clone, Debug)]
pub(crate) struct Timed<'a> {
    pub(crate) val: Val<'a>,
    pub(crate) slope: i64,
    pub(crate) until: i64,
}

impl<'a> Timed<'a> {
    pub(crate) const fn fixed(val: Val<'a>) -> Self {
        Self { val, slope: 0, until: NEVER }
    }

    pub(crate) const fn until(val: Val<'a>, until: i64) -> Self {
        Self { val, slope: 0, until }
    }
}

/// Whether a filter or condition that reads nothing but the event holds for it.
pub(crate) fn matches(node: &Node, event: &Event) -> bool {
    eval(node, &OneEvent(event)).val.is_true()
}

/// The value of a node, until when it stays.
pub(crate) fn eval<'a, W: World<'a>>(node: &'a Node, world: &W) -> Timed<'a> {
    match node {
        Node::Literal(literal) => Timed::fixed(constant(literal)),
        Node::Now => Timed { val: Val::Time(world.now()), slope: 1, until: NEVER },
        Node::Profile(path) => Timed::fixed(world.attribute(path)),
        Node::Tags => Timed::fixed(world.tags()),
        Node::Score(key) => Timed::fixed(world.score(key)),
        Node::Segment(key) => Timed::fixed(Val::Bool(world.in_segment(key))),
        Node::Event(field) => Timed::fixed(world.event().map_or(Val::Null, |event| field.read(event))),
        Node::List(list) => {
            let items: Vec<Timed<'a>> = list.iter().map(|item| eval(item, world)).collect();
            let until = items.iter().map(|item| item.until).min().unwrap_or(NEVER);
            Timed::until(Val::List(items.into_iter().map(|item| item.val).collect()), until)
        }
        Node::Not(one) => map(eval(one, world), |val| Val::Bool(!val.is_true())),
        Node::Negate(one) => negate(eval(one, world)),
        Node::Every(list) => junction(list, world, true),
        Node::Some(list) => junction(list, world, false),
        Node::Equal(left, right) => equal(left, right, world, true),
        Node::Differ(left, right) => equal(left, right, world, false),
        Node::Compare(order, left, right) => compare(*order, left, right, world),
        Node::In(left, right) => contained(left, right, world),
        Node::Arithmetic(sign, left, right) => arithmetic(*sign, &eval(left, world), &eval(right, world)),
        Node::If(three) => {
            let [test, then, otherwise] = three.as_ref();
            let test = eval(test, world);
            let mut chosen = eval(if test.val.is_true() { then } else { otherwise }, world);
            chosen.until = chosen.until.min(test.until);
            chosen
        }
        Node::Has(one) => map(eval(one, world), |val| Val::Bool(!val.is_null())),
        Node::Size(one) => map(eval(one, world), |val| size(&val)),
        Node::Text(test, text, part) => {
            let (text, part) = (eval(text, world), eval(part, world));
            let holds = matches!((&text.val, &part.val), (Val::Text(text), Val::Text(part)) if test.holds(text, part));
            Timed::until(Val::Bool(holds), text.until.min(part.until))
        }
        Node::Moment(one) => {
            let one = eval(one, world);
            Timed { val: one.val.as_time().map_or(Val::Null, Val::Time), ..one }
        }
        Node::Aggregate(aggregate) => world.aggregate(aggregate),
        Node::Sequence(sequence) => world.sequence(sequence),
    }
}

fn constant(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(bool) => Val::Bool(*bool),
        Literal::Number(number) => Val::Number(*number),
        Literal::Text(text) => Val::text(text),
        Literal::Time(micros) => Val::Time(*micros),
        Literal::Duration(micros) => Val::Duration(*micros),
    }
}

fn map<'a>(one: Timed<'a>, with: impl FnOnce(Val<'a>) -> Val<'a>) -> Timed<'a> {
    Timed::until(with(one.val), one.until)
}

fn size<'a>(val: &Val<'a>) -> Val<'a> {
    match val {
        Val::Text(text) => Val::Number(text.chars().count() as f64),
        Val::List(list) => Val::Number(list.len() as f64),
        _ => Val::Null,
    }
}

/// `&&` (`every`) or `||`. One part that decides is enough for as long as it decides, so the latest such `until` counts;
/// when none decides, the earliest of all.
fn junction<'a, W: World<'a>>(list: &'a [Node], world: &W, every: bool) -> Timed<'a> {
    let mut undecided = NEVER;
    let mut decided = None;
    for node in list {
        let part = eval(node, world);
        if part.val.is_true() == every {
            undecided = undecided.min(part.until);
        } else {
            decided = decided.max(Some(part.until));
            if part.until == NEVER {
                break;
            }
        }
    }
    decided.map_or_else(
        || Timed::until(Val::Bool(every), undecided),
        |until| Timed::until(Val::Bool(!every), until),
    )
}

fn equal<'a, W: World<'a>>(left: &'a Node, right: &'a Node, world: &W, equal: bool) -> Timed<'a> {
    if let Some((aggregate, number)) = count_and_number(left, right).or_else(|| count_and_number(right, left))
    {
        let (holds, until) = world.count_holds(aggregate, &|count| (count == number) == equal);
        return Timed::until(Val::Bool(holds), until);
    }
    let (left, right) = (eval(left, world), eval(right, world));
    Timed::until(Val::Bool(left.val.equals(&right.val) == equal), crossing(&left, &right, world.now()))
}

fn compare<'a, W: World<'a>>(order: Order, left: &'a Node, right: &'a Node, world: &W) -> Timed<'a> {
    let decide =
        |left: f64, right: f64| left.partial_cmp(&right).is_some_and(|ordering| order.holds(ordering));
    let counted = if let Some((aggregate, number)) = count_and_number(left, right) {
        Some(world.count_holds(aggregate, &|count| decide(count, number)))
    } else {
        count_and_number(right, left)
            .map(|(aggregate, number)| world.count_holds(aggregate, &|count| decide(number, count)))
    };
    if let Some((holds, until)) = counted {
        return Timed::until(Val::Bool(holds), until);
    }
    let (left, right) = (eval(left, world), eval(right, world));
    let holds = left.val.order(&right.val).is_some_and(|ordering| order.holds(ordering));
    Timed::until(Val::Bool(holds), crossing(&left, &right, world.now()))
}

fn count_and_number<'a>(count: &'a Node, number: &Node) -> Option<(&'a Aggregate, f64)> {
    match (count, number) {
        (Node::Aggregate(aggregate), Node::Literal(Literal::Number(number)))
            if aggregate.what == What::Count && aggregate.window.is_some() =>
        {
            Some((aggregate, *number))
        }
        _ => None,
    }
}

/// The first moment after now at which the order of the two may be another: when one of them changes, or when they
/// move to meet or to part.
fn crossing(left: &Timed<'_>, right: &Timed<'_>, now: i64) -> i64 {
    let until = left.until.min(right.until);
    let slope = i128::from(left.slope) - i128::from(right.slope);
    let Some((l, r)) = left.val.ticks(&right.val) else { return until };
    let gap = i128::from(l) - i128::from(r);
    if slope == 0 || (gap > 0) == (slope > 0) && gap != 0 {
        return until;
    }
    // Ceiling of |gap| / |slope|: the first whole microsecond at which the sign of the gap is another.
    let wait = if gap == 0 { 1 } else { (gap.abs() + slope.abs() - 1) / slope.abs() };
    until.min(i64::try_from(i128::from(now) + wait).unwrap_or(NEVER))
}

fn contained<'a, W: World<'a>>(left: &'a Node, right: &'a Node, world: &W) -> Timed<'a> {
    if let (Node::Literal(Literal::Text(key)), Node::Tags) = (left, right) {
        return Timed::fixed(Val::Bool(world.has_tag(key)));
    }
    let (left, right) = (eval(left, world), eval(right, world));
    let Val::List(items) = right.val else {
        return Timed::until(Val::Bool(false), left.until.min(right.until));
    };
    let mut until = right.until.min(left.until);
    let mut found = false;
    for val in items {
        found |= left.val.equals(&val);
        until = until.min(crossing(&left, &Timed::fixed(val), world.now()));
    }
    Timed::until(Val::Bool(found), until)
}

fn negate(one: Timed<'_>) -> Timed<'_> {
    let val = match one.val {
        Val::Number(number) => Val::Number(-number),
        Val::Duration(micros) => micros.checked_neg().map_or(Val::Null, Val::Duration),
        _ => Val::Null,
    };
    Timed { val, slope: -one.slope, until: one.until }
}

/// Numbers are 64-bit floating point, so `7 / 2` is 3.5; what has no finite result is missing. Texts are joined by `+`.
fn arithmetic<'a>(sign: Arithmetic, left: &Timed<'a>, right: &Timed<'a>) -> Timed<'a> {
    let until = left.until.min(right.until);
    let (val, slope) = match (sign, &left.val, &right.val) {
        (_, Val::Number(left), Val::Number(right)) => (Val::number(calculate(sign, *left, *right)), 0),
        (Arithmetic::Add, Val::Text(left), Val::Text(right)) => {
            (Val::Text(format!("{left}{right}").into()), 0)
        }
        (Arithmetic::Add, Val::Duration(l), Val::Duration(r)) => {
            (l.checked_add(*r).map_or(Val::Null, Val::Duration), left.slope + right.slope)
        }
        (Arithmetic::Subtract, Val::Duration(l), Val::Duration(r)) => {
            (l.checked_sub(*r).map_or(Val::Null, Val::Duration), left.slope - right.slope)
        }
        (Arithmetic::Add, time, Val::Duration(r)) => (
            time.as_time().and_then(|l| l.checked_add(*r)).map_or(Val::Null, Val::Time),
            left.slope + right.slope,
        ),
        (Arithmetic::Add, Val::Duration(l), time) => (
            time.as_time().and_then(|r| r.checked_add(*l)).map_or(Val::Null, Val::Time),
            left.slope + right.slope,
        ),
        (Arithmetic::Subtract, time, Val::Duration(r)) => (
            time.as_time().and_then(|l| l.checked_sub(*r)).map_or(Val::Null, Val::Time),
            left.slope - right.slope,
        ),
        (Arithmetic::Subtract, l, r) => {
            let gap = l.ticks(r).and_then(|(l, r)| l.checked_sub(r));
            (gap.map_or(Val::Null, Val::Duration), left.slope - right.slope)
        }
        _ => (Val::Null, 0),
    };
    Timed { val, slope, until }
}

fn calculate(sign: Arithmetic, left: f64, right: f64) -> f64 {
    match sign {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    }
}

/// A world of one event and nothing else.
struct OneEvent<'a>(&'a Event);

impl<'a> World<'a> for OneEvent<'a> {
    fn now(&self) -> i64 {
        0
    }
    fn attribute(&self, _: &[String]) -> Val<'a> {
        Val::Null
    }
    fn tags(&self) -> Val<'a> {
        Val::Null
    }
    fn has_tag(&self, _: &str) -> bool {
        false
    }
    fn score(&self, _: &str) -> Val<'a> {
        Val::Null
    }
    fn in_segment(&self, _: &str) -> bool {
        false
    }
    fn event(&self) -> Option<&'a Event> {
        Some(self.0)
    }
    fn aggregate(&self, _: &Aggregate) -> Timed<'a> {
        Timed::fixed(Val::Null)
    }
    fn sequence(&self, _: &Sequence) -> Timed<'a> {
        Timed::fixed(Val::Null)
    }
}
