//! The condition of an entry, which may speak of the event and of the customer.
//!
//! The event is at hand when it arrives, the customer has to be asked for: so the condition is cut at its outermost
//! `&&` into parts about the one and parts about the other. A part about both at once is refused.

use rules::{Condition, Schema};
use wire::event::Event;

use crate::domain::problem::Problems;
use crate::domain::test::Test;

/// Both halves; an absent one holds always.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryCondition {
    event: Vec<Condition>,
    /// The half about the customer.
    pub(crate) customer: Option<Test>,
}

const PLACE: &str = "entry.condition";

impl EntryCondition {
    /// Reads it; nothing when it is wrong.
    pub(crate) fn read(source: &str, problems: &mut Problems) -> Option<Self> {
        if source.trim().is_empty() {
            return Some(Self::default());
        }
        let schema = Schema::open();
        if let Err(wrong) = Condition::trigger(source, &schema) {
            problems.add_condition(PLACE, &wrong);
            return None;
        }
        let (mut event, mut customer, mut fine) = (Vec::new(), Vec::new(), true);
        for part in conjuncts(source) {
            if let Ok(condition) = Condition::event(part, &schema) {
                event.push(condition);
            } else if Condition::customer(part, &schema).is_ok() {
                customer.push(format!("({part})"));
            } else {
                fine = false;
                let message = format!(
                    "`{part}` speaks of the event and the customer at once; join one part about each with &&"
                );
                problems.add(PLACE, "mixed_condition", message);
            }
        }
        let customer = Test::read(&customer.join(" && "), PLACE, problems);
        fine.then_some(Self { event, customer })
    }

    /// Whether the half about the event holds.
    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.event.iter().all(|condition| condition.matches(event))
    }
}

/// The operands of the outermost `&&`; the whole text when something that binds less stands beside them.
fn conjuncts(source: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_i32, None, false);
    let mut before = ' ';
    for (at, c) in source.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, '?') if depth == 0 => return vec![source.trim()],
            (None, '|') if depth == 0 && before == '|' => return vec![source.trim()],
            (None, '&') if depth == 0 && before == '&' => {
                parts.extend(source.get(from..at - 1));
                from = at + 1;
            }
            (None, _) => {}
        }
        before = c;
    }
    parts.extend(source.get(from..));
    parts.into_iter().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_conjunction_is_cut() {
        assert_eq!(
            conjuncts(r#"a == "x && y" && (b && c) && 'it\'s && '"#),
            [r#"a == "x && y""#, "(b && c)", r"'it\'s && '"]
        );
        assert_eq!(conjuncts("a && b || c"), ["a && b || c"]);
        assert_eq!(conjuncts("a && b ? c : d").len(), 1);
    }

    #[test]
    fn halves_are_told_apart_and_mixtures_refused() {
        let mut problems = Problems::default();
        let read =
            EntryCondition::read(r#"event.properties.total > 100 && "vip" in tags"#, &mut problems).unwrap();
        assert!(problems.is_empty());
        assert_eq!(read.event.len(), 1);
        assert_eq!(read.customer.unwrap().source(), r#"("vip" in tags)"#);
        assert!(
            EntryCondition::read(r#"event.properties.total > 100 || "vip" in tags"#, &mut problems).is_none()
        );
        assert_eq!(problems.into_list()[0].reason, "mixed_condition");
    }
}
