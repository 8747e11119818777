//! Operators and the types they take.

use cel::IdedExpr;
use cel::common::ast::operators as cel_operators;

use super::{Checker, Typed};
use crate::schema::Type;
use crate::tree::{Arithmetic, Literal, Node, Order};

impl Checker<'_> {
    /// An operator's call, or `None` when it is none.
    pub(super) fn operator(&mut self, id: u64, name: &str, args: &[IdedExpr]) -> Option<Typed> {
        let typed = match (name, args) {
            (cel_operators::LOGICAL_AND, [left, right]) => {
                let (left, right) =
                    (self.expect(left, Type::Bool, "`&&`"), self.expect(right, Type::Bool, "`&&`"));
                (Node::Every(joined([left, right], true)), Type::Bool)
            }
            (cel_operators::LOGICAL_OR, [left, right]) => {
                let (left, right) =
                    (self.expect(left, Type::Bool, "`||`"), self.expect(right, Type::Bool, "`||`"));
                (Node::Some(joined([left, right], false)), Type::Bool)
            }
            (cel_operators::LOGICAL_NOT, [one]) => {
                (Node::Not(Box::new(self.expect(one, Type::Bool, "`!`"))), Type::Bool)
            }
            (cel_operators::NEGATE, [one]) => self.negation(one),
            (cel_operators::CONDITIONAL, [test, then, otherwise]) => self.choice(test, then, otherwise),
            (cel_operators::IN, [left, right]) => self.membership(id, left, right),
            (cel_operators::EQUALS, [left, right]) => self.equality(id, left, right, true),
            (cel_operators::NOT_EQUALS, [left, right]) => self.equality(id, left, right, false),
            (_, [left, right]) => match (order(name), arithmetic(name)) {
                (Some(order), _) => self.comparison(id, order, left, right),
                (_, Some(sign)) => self.calculation(id, sign, left, right),
                _ => return None,
            },
            _ => return None,
        };
        Some(typed)
    }

    fn negation(&mut self, one: &IdedExpr) -> Typed {
        let (node, found) = self.translate(one);
        if !matches!(found, Type::Number | Type::Duration | Type::Any) {
            self.report(one.id, "type", format!("`-` takes a number, but this is {}", found.name()));
        }
        match node {
            Node::Literal(Literal::Number(number)) => (Node::Literal(Literal::Number(-number)), found),
            node => (Node::Negate(Box::new(node)), found),
        }
    }

    fn choice(&mut self, test: &IdedExpr, then: &IdedExpr, otherwise: &IdedExpr) -> Typed {
        let test = self.expect(test, Type::Bool, "`? :`");
        let ((then, one), (otherwise, other)) = (self.translate(then), self.translate(otherwise));
        let found = if one == other { one } else { Type::Any };
        (Node::If(Box::new([test, then, otherwise])), found)
    }

    fn membership(&mut self, id: u64, left: &IdedExpr, right: &IdedExpr) -> Typed {
        let (item, _) = self.translate(left);
        let (list, found) = self.translate(right);
        if !matches!(found, Type::List | Type::Any) {
            self.report(id, "type", format!("`in` takes a list on its right, but this is {}", found.name()));
        }
        if matches!(list, Node::Tags) {
            self.tag(&item, left.id);
        }
        (Node::In(Box::new(item), Box::new(list)), Type::Bool)
    }

    fn equality(&mut self, id: u64, left: &IdedExpr, right: &IdedExpr, equal: bool) -> Typed {
        let ((left, one), (right, other)) = (self.translate(left), self.translate(right));
        if !comparable(&left, one, &right, other) {
            let message = format!("{} never equals {}; compare values of one type", one.name(), other.name());
            self.report(id, "type", message);
        }
        let (left, right) = (Box::new(left), Box::new(right));
        (if equal { Node::Equal(left, right) } else { Node::Differ(left, right) }, Type::Bool)
    }

    fn comparison(&mut self, id: u64, order: Order, left: &IdedExpr, right: &IdedExpr) -> Typed {
        let ((left, one), (right, other)) = (self.translate(left), self.translate(right));
        let unordered = [one, other].into_iter().find(|found| matches!(found, Type::Bool | Type::List));
        if let Some(found) = unordered {
            let message =
                format!("`{}` takes numbers, texts or times, but this is {}", order.sign(), found.name());
            self.report(id, "type", message);
        } else if !comparable(&left, one, &right, other) {
            let message = format!("{} cannot be compared with {}", one.name(), other.name());
            self.report(id, "type", message);
        }
        (Node::Compare(order, Box::new(left), Box::new(right)), Type::Bool)
    }

    fn calculation(&mut self, id: u64, sign: Arithmetic, left: &IdedExpr, right: &IdedExpr) -> Typed {
        let ((left, one), (right, other)) = (self.translate(left), self.translate(right));
        let found = result(sign, one, other).unwrap_or_else(|| {
            let message = format!("`{}` does not go with {} and {}", sign.sign(), one.name(), other.name());
            self.report(id, "type", message);
            Type::Any
        });
        (Node::Arithmetic(sign, Box::new(left), Box::new(right)), found)
    }
}

/// CEL nests `a && b && c`; here they stand side by side.
fn joined(parts: [Node; 2], every: bool) -> Vec<Node> {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Node::Every(list) if every => flat.extend(list),
            Node::Some(list) if !every => flat.extend(list),
            part => flat.push(part),
        }
    }
    flat
}

fn order(name: &str) -> Option<Order> {
    Some(match name {
        cel_operators::LESS => Order::Less,
        cel_operators::LESS_EQUALS => Order::LessOrEqual,
        cel_operators::GREATER => Order::Greater,
        cel_operators::GREATER_EQUALS => Order::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        cel_operators::ADD => Arithmetic::Add,
        cel_operators::SUBSTRACT => Arithmetic::Subtract,
        cel_operators::MULTIPLY => Arithmetic::Multiply,
        cel_operators::DIVIDE => Arithmetic::Divide,
        cel_operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

/// Same types; or a time with a text, which must then write a time if it is known already.
fn comparable(left: &Node, one: Type, right: &Node, other: Type) -> bool {
    let may_be_time = |node: &Node| match node {
        Node::Literal(Literal::Text(text)) => kernel::Time::parse(text).is_ok(),
        _ => true,
    };
    match (one, other) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Time, Type::Text) => may_be_time(right),
        (Type::Text, Type::Time) => may_be_time(left),
        _ => one == other,
    }
}

fn result(sign: Arithmetic, one: Type, other: Type) -> Option<Type> {
    use Type::{Any, Duration, Number, Text, Time};
    Some(match (sign, one, other) {
        (_, Number, Number) => Number,
        (Arithmetic::Add, Text, Text) => Text,
        (Arithmetic::Add, Time, Duration)
        | (Arithmetic::Add, Duration, Time)
        | (Arithmetic::Subtract, Time, Duration) => Time,
        (Arithmetic::Add | Arithmetic::Subtract, Duration, Duration) | (Arithmetic::Subtract, Time, Time) => {
            Duration
        }
        (Arithmetic::Subtract, Time, Text) | (Arithmetic::Subtract, Text, Time) => Duration,
        (Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Remainder, Any | Number, Any | Number) => {
            Number
        }
        (Arithmetic::Add, Any, Any | Number | Text | Time | Duration) => Any,
        (Arithmetic::Add, Number | Text | Time | Duration, Any) => Any,
        (Arithmetic::Subtract, Any, Any | Number | Time | Duration) => Any,
        (Arithmetic::Subtract, Number | Time | Duration, Any) => Any,
        _ => return None,
    })
}
