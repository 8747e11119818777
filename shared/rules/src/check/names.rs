//! Names: `profile.city`, `scores.engagement`, `tags`, `now`, `e.properties.total`.

use cel::IdedExpr;
use cel::common::ast::{Expr, operators};
use kernel::near::suggestion;

use super::{Checker, Scope, Typed, text_literal};
use crate::field::Field;
use crate::schema::{Type, look_up};
use crate::tree::{Literal, Node};

const ROOTS: [&str; 8] = ["profile", "tags", "scores", "now", "e", "event", "events", "sequence"];

/// A name with the steps below it: `profile.address.city`, `e.properties["城市"]`.
struct Path {
    root: String,
    root_id: u64,
    steps: Vec<String>,
    /// Of the last step.
    last_id: u64,
}

fn path_of(expr: &IdedExpr) -> Option<Path> {
    match &expr.expr {
        Expr::Ident(name) => Some(Path {
            root: name.trim_start_matches('.').to_owned(),
            root_id: expr.id,
            steps: Vec::new(),
            last_id: expr.id,
        }),
        Expr::Select(select) if !select.test => step(&select.operand, &select.field, expr.id),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [operand, key] => step(operand, text_literal(key)?, key.id),
            _ => None,
        },
        _ => None,
    }
}

fn step(operand: &IdedExpr, name: &str, id: u64) -> Option<Path> {
    let mut path = path_of(operand)?;
    path.steps.push(name.to_owned());
    path.last_id = id;
    Some(path)
}

impl Checker<'_> {
    pub(super) fn name(&mut self, expr: &IdedExpr) -> Typed {
        self.path(expr, None)
    }

    /// The value at a path, with one more step when it stands in `has(…)`.
    pub(super) fn path(&mut self, expr: &IdedExpr, more: Option<(&str, u64)>) -> Typed {
        let Some(mut path) = path_of(expr) else {
            return self.no_path(expr, more.is_some());
        };
        if let Some((name, id)) = more {
            path.steps.push(name.to_owned());
            path.last_id = id;
        }
        match path.root.as_str() {
            "profile" | "scores" | "tags" | "now" if !self.scope.has_customer() => {
                let place = if self.scope == Scope::Filter {
                    "the filter of events(…)"
                } else {
                    "a condition on one event"
                };
                let message =
                    format!("`{}` cannot be used in {place}, which reads nothing but `e`", path.root);
                self.wrong(path.root_id, "out_of_scope", message)
            }
            "profile" => self.attribute(path),
            "scores" => self.score(&path),
            "tags" if path.steps.is_empty() => (Node::Tags, Type::List),
            "tags" => self.wrong(path.last_id, "unknown_name", "`tags` has no fields; write \"vip\" in tags"),
            "now" if path.steps.is_empty() => (Node::Now, Type::Time),
            "now" => self.wrong(path.last_id, "unknown_name", "`now` has no fields; compare it with a time"),
            "e" => self.event_field(&path),
            "event" if self.scope != Scope::Filter => self.event_field(&path),
            "event" => {
                self.wrong(path.root_id, "out_of_scope", "in the filter of events(…) the event is called `e`")
            }
            root => {
                let message = format!(
                    "`{root}` is not known{}; conditions read `profile.…`, `tags`, `scores.…`, `events(…)` and `e.…`; \
                     texts stand in quotes",
                    suggestion(root, ROOTS)
                );
                self.wrong(path.root_id, "unknown_name", message)
            }
        }
    }

    /// Something selected from what has no fields, or by a key that is no quoted text.
    fn no_path(&mut self, expr: &IdedExpr, tested: bool) -> Typed {
        let inner = match &expr.expr {
            Expr::Select(select) => Some(&*select.operand),
            Expr::Call(call) if call.func_name == operators::INDEX => call.args.first(),
            _ => tested.then_some(expr),
        };
        let before = self.problems.len();
        if let Some(inner) = inner.filter(|inner| path_of(inner).is_none()) {
            self.translate(inner);
        }
        let message = "only `profile`, `scores` and an event have fields; a key in [ ] must be a quoted text";
        if self.problems.len() == before {
            self.wrong(expr.id, "unsupported", message)
        } else {
            super::nothing()
        }
    }

    fn attribute(&mut self, path: Path) -> Typed {
        if path.steps.is_empty() {
            return self.wrong(
                path.root_id,
                "unknown_name",
                "`profile` needs an attribute, such as profile.city",
            );
        }
        let found = match &self.schema.attributes {
            None => Some(Type::Any),
            Some(known) => look_up(known, &path.steps),
        };
        let Some(found) = found else {
            let name = path.steps.join(".");
            let near =
                suggestion(&name, self.schema.attributes.iter().flatten().map(|(name, _)| name.as_str()));
            return self.wrong(
                path.last_id,
                "unknown_attribute",
                format!("there is no attribute `{name}`{near}"),
            );
        };
        let node = Node::Profile(path.steps);
        (if found == Type::Time { Node::Moment(Box::new(node)) } else { node }, found)
    }

    fn score(&mut self, path: &Path) -> Typed {
        let [key] = path.steps.as_slice() else {
            return self.wrong(
                path.last_id,
                "unknown_name",
                "`scores` needs the key of a score, such as scores.engagement",
            );
        };
        if let Some(known) = &self.schema.scores
            && !known.contains(key)
        {
            let near = suggestion(key, known.iter().map(String::as_str));
            return self.wrong(path.last_id, "unknown_score", format!("there is no score `{key}`{near}"));
        }
        (Node::Score(key.clone()), Type::Number)
    }

    fn event_field(&mut self, path: &Path) -> Typed {
        if !self.scope.has_event() {
            let message = format!(
                "`{}` is only known inside events(…) or in a condition on an event; write events(\"name\", e.properties.x > 1)",
                path.root
            );
            return self.wrong(path.root_id, "out_of_scope", message);
        }
        let field = match Field::at(&path.steps) {
            Ok(field) => field,
            Err(known) => {
                let name = path.steps.join(".");
                let near = suggestion(&name, known);
                let message = format!(
                    "an event has no field `{name}`{near}; it has name, time, properties.… and context.…"
                );
                return self.wrong(path.last_id, "unknown_field", message);
            }
        };
        let found = match &field {
            Field::Property(steps) => self.property(steps, path.last_id),
            _ => field.kind(),
        };
        let node = Node::Event(field);
        let is_text_of_a_time = found == Type::Time && matches!(node, Node::Event(Field::Property(_)));
        (if is_text_of_a_time { Node::Moment(Box::new(node)) } else { node }, found)
    }

    /// The type of a property of the events that are looked at.
    pub(super) fn property(&mut self, steps: &[String], id: u64) -> Type {
        let known = self.event.as_ref().and_then(|name| self.schema.events.as_ref()?.get(name)?.as_ref());
        let Some(known) = known else { return Type::Any };
        if let Some(found) = look_up(known, steps) {
            return found;
        }
        let name = steps.join(".");
        let near = suggestion(&name, known.keys().map(String::as_str));
        let event = self.event.clone().unwrap_or_default();
        self.report(id, "unknown_property", format!("`{event}` has no property `{name}`{near}"));
        Type::Any
    }

    /// A name of an event, which must be known where the schema is closed.
    pub(super) fn event_name(&mut self, name: &str, id: u64) {
        if let Some(known) = &self.schema.events
            && !known.contains_key(name)
        {
            let near = suggestion(name, known.keys().map(String::as_str));
            self.report(id, "unknown_event", format!("there is no event `{name}`{near}"));
        }
    }

    /// Checks `"key" in tags`.
    pub(super) fn tag(&mut self, node: &Node, id: u64) {
        if let (Node::Literal(Literal::Text(key)), Some(known)) = (node, &self.schema.tags)
            && !known.contains(key)
        {
            let near = suggestion(key, known.iter().map(String::as_str));
            self.report(id, "unknown_tag", format!("there is no tag `{key}`{near}"));
        }
    }
}
