//! From CEL's syntax tree to ours: every name is looked up, every type checked, every mistake placed.

mod behaviour;
mod calls;
mod names;
mod operators;

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};

use crate::problem::{Problem, Problems};
use crate::schema::{Schema, Type};
use crate::syntax::{self, Places};
use crate::tree::{Literal, Node};

/// What a condition may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The customer.
    Customer,
    /// One event and nothing else.
    Event,
    /// The customer and the event that triggers.
    Trigger,
    /// One of the customer's events: the filter of an aggregate.
    Filter,
}

impl Scope {
    pub(crate) const fn has_customer(self) -> bool {
        matches!(self, Self::Customer | Self::Trigger)
    }

    pub(crate) const fn has_event(self) -> bool {
        !matches!(self, Self::Customer)
    }
}

/// A step and its type.
pub(crate) type Typed = (Node, Type);

/// Enough for the greatest depth even without optimisation; pages that are not touched cost nothing.
const STACK: usize = 64 * 1024 * 1024;

/// Parses and checks a condition.
///
/// The parser descends some hundred kilobytes of stack for each bracket, so this runs on a thread of its own with room
/// for the greatest depth: whoever calls may have little left. A panic of the parser becomes a problem as well.
pub(crate) fn check(source: &str, schema: &Schema, scope: Scope) -> Result<Node, Problems> {
    let checked = std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().name("condition".to_owned()).stack_size(STACK);
        thread.spawn_scoped(threads, || check_here(source, schema, scope)).ok()?.join().ok()
    });
    checked.unwrap_or_else(|| {
        let message = "the condition cannot be read; write it in a simpler way".to_owned();
        Err(Problems::new(source, vec![Problem { line: 1, column: 1, reason: "unreadable", message }]))
    })
}

fn check_here(source: &str, schema: &Schema, scope: Scope) -> Result<Node, Problems> {
    let parsed = syntax::parse(source).map_err(|list| Problems::new(source, list))?;
    let mut checker = Checker { places: &parsed.places, schema, scope, event: None, problems: Vec::new() };
    let (node, found) = checker.translate(&parsed.root);
    if let Some(what) = checker.never_true(&node, found) {
        let message = format!("a condition is true or false, but this is {what}; compare it with something");
        checker.report(parsed.root.id, "not_a_condition", message);
    }
    if checker.problems.is_empty() { Ok(node) } else { Err(Problems::new(source, checker.problems)) }
}

pub(crate) struct Checker<'s> {
    places: &'s Places,
    schema: &'s Schema,
    scope: Scope,
    /// Name of the events that a filter looks at, when it is known.
    event: Option<String>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn report(&mut self, id: u64, reason: &'static str, message: impl Into<String>) {
        let (line, column) = self.places.of(id);
        self.problems.push(Problem { line, column, reason, message: message.into() });
    }

    /// Reports, and stands in for what could not be translated so that the rest is checked as well.
    fn wrong(&mut self, id: u64, reason: &'static str, message: impl Into<String>) -> Typed {
        self.report(id, reason, message);
        nothing()
    }

    fn translate(&mut self, expr: &IdedExpr) -> Typed {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr.id, literal),
            Expr::Ident(_) => self.name(expr),
            Expr::Select(select) if select.test => {
                let (node, _) = self.path(&select.operand, Some((&select.field, expr.id)));
                (Node::Has(Box::new(node)), Type::Bool)
            }
            Expr::Select(_) => self.name(expr),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Comprehension(_) => self.wrong(
                expr.id,
                "unsupported",
                "`all`, `exists`, `exists_one`, `map` and `filter` are not part of conditions; use `in` for lists, \
                 `events(…)` for what the customer did",
            ),
            Expr::Map(_) | Expr::Struct(_) => {
                self.wrong(expr.id, "unsupported", "`{…}` is not part of conditions; lists are written [1, 2]")
            }
            Expr::Unspecified => self.wrong(expr.id, "syntax", "something is missing here"),
        }
    }

    fn literal(&mut self, id: u64, literal: &LiteralValue) -> Typed {
        let number = |number: f64| (Node::Literal(Literal::Number(number)), Type::Number);
        match literal {
            LiteralValue::Null => (Node::Literal(Literal::Null), Type::Any),
            LiteralValue::Boolean(bool) => (Node::Literal(Literal::Bool(*bool.inner())), Type::Bool),
            LiteralValue::Int(int) => number(*int.inner() as f64),
            LiteralValue::UInt(int) => number(*int.inner() as f64),
            LiteralValue::Double(double) => number(*double.inner()),
            LiteralValue::String(text) => (Node::Literal(Literal::Text(text.inner().to_owned())), Type::Text),
            LiteralValue::Bytes(_) => {
                self.wrong(id, "unsupported", "bytes are not part of conditions; leave the `b` out")
            }
        }
    }

    fn list(&mut self, items: &[IdedExpr]) -> Typed {
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let (node, _) = self.translate(item);
            let mut moves = false;
            node.walk(&mut |node| moves |= matches!(node, Node::Now));
            if moves {
                self.report(item.id, "unsupported", "`now` cannot stand in a list; compare with it directly");
            }
            nodes.push(node);
        }
        (Node::List(nodes), Type::List)
    }

    /// Translates what must be of a type.
    fn expect(&mut self, expr: &IdedExpr, wanted: Type, whose: &str) -> Node {
        let (node, found) = self.translate(expr);
        let refused = match wanted {
            Type::Bool => self.never_true(&node, found),
            _ => (found != wanted && found != Type::Any).then(|| found.name()),
        };
        if let Some(what) = refused {
            self.report(expr.id, "type", format!("{whose} takes {}, but this is {what}", wanted.name()));
        }
        node
    }

    /// What a value is that can be neither true nor false. An attribute or property whose type the schema does not know
    /// may be either; what is calculated from it may not.
    fn never_true(&self, node: &Node, found: Type) -> Option<&'static str> {
        match found {
            Type::Bool => None,
            // What could not be translated has been reported.
            Type::Any if !self.problems.is_empty() => None,
            Type::Any => node.calculated(),
            _ => Some(found.name()),
        }
    }
}

/// The text of a text literal.
fn text_literal(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Stands in for what could not be translated.
const fn nothing() -> Typed {
    (Node::Literal(Literal::Null), Type::Any)
}
