//! `events(…).within(…).count()` and `sequence(…).within(…)`.

use std::sync::Arc;
use std::time::Duration;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr};
use kernel::near::suggestion;

use super::{Checker, Scope, Typed, text_literal};
use crate::behaviour::{Aggregate, Selection, Sequence, What, Window};
use crate::schema::Type;
use crate::tree::Node;

const AGGREGATES: [&str; 10] =
    ["count", "sum", "min", "max", "avg", "distinct", "distinct_days", "streak_days", "first", "last"];

/// The longest window: ten years.
const MAX_WINDOW: Duration = Duration::from_secs(3_653 * 86_400);
/// Steps of a sequence at most.
const MAX_STEPS: usize = 20;

/// What stands before the last call of a chain.
struct Chain<'a> {
    source: &'a CallExpr,
    source_id: u64,
    /// Each `within`: its argument, and its place.
    windows: Vec<(&'a [IdedExpr], u64)>,
}

fn call_of(expr: &IdedExpr) -> Option<&CallExpr> {
    match &expr.expr {
        Expr::Call(call) => Some(call),
        _ => None,
    }
}

/// `events(…)` or `sequence(…)` with any number of `within` behind it.
fn chain(expr: &IdedExpr) -> Option<Chain<'_>> {
    let call = call_of(expr)?;
    match (call.func_name.as_str(), call.target.as_deref()) {
        ("events" | "sequence", None) => {
            Some(Chain { source: call, source_id: expr.id, windows: Vec::new() })
        }
        ("within", Some(target)) => {
            let mut chain = chain(target)?;
            chain.windows.push((&call.args, expr.id));
            Some(chain)
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// The call if it is about behaviour.
    pub(super) fn behaviour(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let name = call.func_name.as_str();
        if let Some(chain) = chain(expr) {
            if self.refused(&chain) {
                return Some(super::nothing());
            }
            if chain.source.func_name == "sequence" {
                return Some(self.sequence(&chain));
            }
            let message = "`events(…)` needs an aggregate at its end, such as .count()";
            return Some(self.wrong(chain.source_id, "no_aggregate", message));
        }
        let target = call.target.as_deref().and_then(chain);
        let Some(chain) = target else {
            let stray = name == "within" || AGGREGATES.contains(&name);
            let message =
                format!("`{name}` goes with events(…), such as events(\"order_completed\").{name}(…)");
            return stray.then(|| self.wrong(expr.id, "unknown_function", message));
        };
        if self.refused(&chain) {
            return Some(super::nothing());
        }
        if chain.source.func_name == "sequence" {
            let message = format!("a sequence is true or false by itself; leave `.{name}(…)` out");
            return Some(self.wrong(expr.id, "unknown_function", message));
        }
        Some(self.aggregate(expr.id, call, &chain))
    }

    /// Reports behaviour where there is none.
    fn refused(&mut self, chain: &Chain<'_>) -> bool {
        let refused = !self.scope.has_customer();
        if refused {
            let place =
                if self.scope == Scope::Filter { "inside the filter of events(…)" } else { "on one event" };
            let message =
                format!("`{}` cannot be used {place}, which reads nothing but `e`", chain.source.func_name);
            self.report(chain.source_id, "out_of_scope", message);
        }
        refused
    }

    fn aggregate(&mut self, id: u64, call: &CallExpr, chain: &Chain<'_>) -> Typed {
        let selection = self.selection(chain);
        let window = self.window(chain);
        let name = call.func_name.as_str();
        let what = match (name, call.args.as_slice()) {
            ("count", []) => What::Count,
            ("distinct_days", []) => What::DistinctDays,
            ("streak_days", []) => What::StreakDays,
            ("first", []) => What::First,
            ("last", []) => What::Last,
            ("sum" | "min" | "max" | "avg" | "distinct", [argument]) => {
                let Some(path) = self.measured(name, argument, selection.name.as_ref()) else {
                    return super::nothing();
                };
                match name {
                    "sum" => What::Sum(path),
                    "min" => What::Min(path),
                    "max" => What::Max(path),
                    "avg" => What::Avg(path),
                    _ => What::Distinct(path),
                }
            }
            ("sum" | "min" | "max" | "avg" | "distinct", _) => {
                return self.wrong(
                    id,
                    "arguments",
                    format!("`{name}` takes the name of a property, such as {name}(\"total\")"),
                );
            }
            _ if AGGREGATES.contains(&name) => {
                return self.wrong(id, "arguments", format!("`{name}` takes nothing between its brackets"));
            }
            _ => {
                let near = suggestion(name, AGGREGATES);
                let message =
                    format!("there is no aggregate `{name}`{near}; there are {}", AGGREGATES.join(", "));
                return self.wrong(id, "unknown_function", message);
            }
        };
        let found = if matches!(what, What::First | What::Last) { Type::Time } else { Type::Number };
        (Node::Aggregate(Arc::new(Aggregate::new(selection, window, what))), found)
    }

    fn selection(&mut self, chain: &Chain<'_>) -> Selection {
        let (name, filter) = match chain.source.args.as_slice() {
            [] => (None, None),
            [one] if text_literal(one).is_some() => (Some(one), None),
            [filter] => (None, Some(filter)),
            [name, filter] => (Some(name), Some(filter)),
            _ => {
                self.report(
                    chain.source_id,
                    "arguments",
                    "`events` takes a name and a filter; join filters with &&",
                );
                (None, None)
            }
        };
        let name = name.and_then(|name| self.known_event(name));
        let filter = filter.map(|filter| {
            let outer = (
                std::mem::replace(&mut self.scope, Scope::Filter),
                std::mem::replace(&mut self.event, name.clone()),
            );
            let node = self.expect(filter, Type::Bool, "the filter of events(…)");
            (self.scope, self.event) = outer;
            node
        });
        Selection { name, filter }
    }

    fn known_event(&mut self, expr: &IdedExpr) -> Option<String> {
        let Some(name) = text_literal(expr).filter(|name| !name.is_empty()) else {
            self.report(
                expr.id,
                "arguments",
                "the name of an event stands in quotes, such as \"order_completed\"",
            );
            return None;
        };
        self.event_name(name, expr.id);
        Some(name.to_owned())
    }

    fn measured(&mut self, aggregate: &str, expr: &IdedExpr, event: Option<&String>) -> Option<Vec<String>> {
        let Some(text) = text_literal(expr).filter(|text| text.split('.').all(|step| !step.is_empty()))
        else {
            let message = format!(
                "`{aggregate}` takes the name of a property in quotes, such as \"total\" or \"item.price\""
            );
            self.report(expr.id, "arguments", message);
            return None;
        };
        let text = text.strip_prefix("properties.").unwrap_or(text);
        let path: Vec<String> = text.split('.').map(str::to_owned).collect();
        let outer = std::mem::replace(&mut self.event, event.cloned());
        let found = self.property(&path, expr.id);
        self.event = outer;
        if aggregate != "distinct" && !matches!(found, Type::Number | Type::Any) {
            self.report(
                expr.id,
                "type",
                format!("`{aggregate}` takes numbers, but `{text}` is {}", found.name()),
            );
        }
        Some(path)
    }

    fn window(&mut self, chain: &Chain<'_>) -> Option<Window> {
        let (args, id) = match chain.windows.as_slice() {
            [] => return None,
            [one] => *one,
            [.., last] => {
                self.report(last.1, "arguments", "`within` can be given once");
                return None;
            }
        };
        let [argument] = args else {
            self.report(id, "arguments", "`within` takes a length of time, such as within(\"30d\")");
            return None;
        };
        let Some(text) = text_literal(argument) else {
            self.report(
                argument.id,
                "arguments",
                "`within` takes a quoted length of time, such as within(\"30d\")",
            );
            return None;
        };
        let problem = match kernel::time::parse_duration(text) {
            Ok(Duration::ZERO) => {
                "a window of no length never holds anything; write within(\"30d\")".to_owned()
            }
            Ok(length) if length > MAX_WINDOW => {
                format!("`{text}` is longer than ten years; leave `within` out")
            }
            Ok(length) => return Some(Window::new(length)),
            Err(message) => message,
        };
        self.report(argument.id, "duration", problem);
        None
    }

    fn sequence(&mut self, chain: &Chain<'_>) -> Typed {
        let args = &chain.source.args;
        if args.is_empty() || args.len() > MAX_STEPS {
            let message = format!("`sequence` takes the names of 1 to {MAX_STEPS} events in their order");
            return self.wrong(chain.source_id, "arguments", message);
        }
        let names: Vec<String> = args.iter().filter_map(|name| self.known_event(name)).collect();
        let window = self.window(chain);
        (Node::Sequence(Arc::new(Sequence::new(names, window))), Type::Bool)
    }
}
