//! Functions: `size`, `timestamp`, `duration`, `in_segment`, tests on texts.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, operators};
use kernel::near::suggestion;

use super::{Checker, Typed, text_literal};
use crate::schema::Type;
use crate::tree::{Literal, Node, TextTest};

const FUNCTIONS: [&str; 9] =
    ["has", "size", "timestamp", "duration", "in_segment", "events", "sequence", "contains", "startsWith"];

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Typed {
        let id = expr.id;
        if call.func_name == operators::INDEX {
            return self.name(expr);
        }
        if let Some(typed) = self.operator(id, &call.func_name, &call.args) {
            return typed;
        }
        if let Some(typed) = self.behaviour(expr, call) {
            return typed;
        }
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("size", None, [one]) | ("size", Some(one), []) => self.size(one),
            ("timestamp", None, [one]) => self.timestamp(one),
            ("duration", None, [one]) => self.duration(one),
            ("in_segment", None, [one]) => self.segment(id, one),
            ("contains", Some(text), [part]) => self.text_test(TextTest::Contains, text, part),
            ("startsWith", Some(text), [part]) => self.text_test(TextTest::StartsWith, text, part),
            ("endsWith", Some(text), [part]) => self.text_test(TextTest::EndsWith, text, part),
            ("matches", ..) => self.wrong(
                id,
                "unsupported",
                "`matches` is not part of conditions; use contains, startsWith or endsWith",
            ),
            (
                "size" | "timestamp" | "duration" | "in_segment" | "contains" | "startsWith" | "endsWith",
                ..,
            ) => {
                let message = format!("`{0}` takes one value, such as {0}(\"…\")", call.func_name);
                self.wrong(id, "arguments", message)
            }
            (name, ..) => {
                let message = format!(
                    "there is no function `{name}`{}; there are has, size, contains, startsWith, endsWith, timestamp, \
                     duration, in_segment, events and sequence",
                    suggestion(name, FUNCTIONS)
                );
                self.wrong(id, "unknown_function", message)
            }
        }
    }

    fn size(&mut self, one: &IdedExpr) -> Typed {
        let (node, found) = self.translate(one);
        if !matches!(found, Type::Text | Type::List | Type::Any) {
            self.report(
                one.id,
                "type",
                format!("`size` takes a text or a list, but this is {}", found.name()),
            );
        }
        (Node::Size(Box::new(node)), Type::Number)
    }

    fn timestamp(&mut self, one: &IdedExpr) -> Typed {
        let Some(text) = text_literal(one) else {
            let (node, found) = self.translate(one);
            if !matches!(found, Type::Text | Type::Time | Type::Any) {
                self.report(
                    one.id,
                    "type",
                    format!("`timestamp` takes a text, but this is {}", found.name()),
                );
            }
            return (Node::Moment(Box::new(node)), Type::Time);
        };
        match kernel::Time::parse(text) {
            Ok(time) => (Node::Literal(Literal::Time(time.0)), Type::Time),
            Err(message) => self.wrong(one.id, "time", message),
        }
    }

    fn duration(&mut self, one: &IdedExpr) -> Typed {
        let Some(text) = text_literal(one) else {
            return self.wrong(
                one.id,
                "arguments",
                "`duration` takes a quoted text, such as duration(\"3d\")",
            );
        };
        match kernel::time::parse_duration(text) {
            Ok(duration) => {
                let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
                (Node::Literal(Literal::Duration(micros)), Type::Duration)
            }
            Err(message) => self.wrong(one.id, "duration", message),
        }
    }

    fn segment(&mut self, id: u64, one: &IdedExpr) -> Typed {
        if !self.scope.has_customer() {
            return self.wrong(id, "out_of_scope", "`in_segment` cannot be used where only an event is read");
        }
        let Some(key) = text_literal(one) else {
            return self.wrong(
                one.id,
                "arguments",
                "`in_segment` takes a quoted key, such as in_segment(\"high_value\")",
            );
        };
        if let Some(known) = &self.schema.segments
            && !known.contains(key)
        {
            let near = suggestion(key, known.iter().map(String::as_str));
            return self.wrong(one.id, "unknown_segment", format!("there is no segment `{key}`{near}"));
        }
        (Node::Segment(key.to_owned()), Type::Bool)
    }

    fn text_test(&mut self, test: TextTest, text: &IdedExpr, part: &IdedExpr) -> Typed {
        let whose = format!("`{}`", test.name());
        let (text_node, found) = self.translate(text);
        if found == Type::List {
            self.report(text.id, "type", format!("{whose} looks into a text; for a list write \"…\" in it"));
        } else if !matches!(found, Type::Text | Type::Any) {
            self.report(text.id, "type", format!("{whose} looks into a text, but this is {}", found.name()));
        }
        let part = self.expect(part, Type::Text, &whose);
        (Node::Text(test, Box::new(text_node), Box::new(part)), Type::Bool)
    }
}
