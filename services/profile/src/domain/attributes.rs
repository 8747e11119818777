//! Attributes of one record: what may be kept, and how statements are taken in.

use kernel::Time;
use kernel::survivorship::{self, Attributes, Stated};
use serde_json::{Map, Value};

/// Names that one record may have ever had.
pub(crate) const MAX_ATTRIBUTES: usize = 500;
/// Length of a value as JSON.
pub(crate) const MAX_VALUE_BYTES: usize = 16 << 10;
/// Length of a name.
pub(crate) const MAX_NAME_CHARS: usize = 128;

/// Attributes with their evidence.
pub(crate) type Stating = Attributes<Value>;

/// When something was said, by a source of which priority, and in which event.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) time: Time,
    pub(crate) priority: i32,
    pub(crate) by: String,
}

/// What became of a patch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Taken {
    /// The statements that stand now, by name: null for those that remove.
    ///
    /// A repeated value is among them: its later time decides when records are folded, so replicas need it.
    pub(crate) statements: Map<String, Value>,
    /// Whether a visible value changed.
    pub(crate) visible: bool,
    /// Names that were refused, and why.
    pub(crate) refused: Vec<(String, String)>,
}

/// Takes a merge patch in: given names replace (as a whole, also when the value is an object), null removes, other
/// names stay. A statement that is older than the one that stands loses.
pub(crate) fn take(attributes: &mut Stating, patch: Map<String, Value>, said: &Said) -> Taken {
    let mut taken = Taken::default();
    for (name, value) in patch {
        if let Some(why) = refusal(attributes, &name, &value) {
            taken.refused.push((name, why));
            continue;
        }
        let statement = Stated {
            value: (!value.is_null()).then(|| value.clone()),
            time: said.time,
            priority: said.priority,
            by: said.by.clone(),
        };
        if attributes.get(&name).is_some_and(|current| !statement.beats(current)) {
            continue;
        }
        taken.visible |= survivorship::state(attributes, &name, statement);
        taken.statements.insert(name, value);
    }
    taken
}

fn refusal(attributes: &Stating, name: &str, value: &Value) -> Option<String> {
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Some(format!("a name has 1 to {MAX_NAME_CHARS} characters"));
    }
    if !attributes.contains_key(name) && attributes.len() >= MAX_ATTRIBUTES {
        return Some(format!(
            "a record holds at most {MAX_ATTRIBUTES} attributes, removed ones included; use an existing one"
        ));
    }
    // A short text cannot be too long, whatever is escaped in it.
    let short = matches!(value, Value::String(text) if text.len() <= MAX_VALUE_BYTES / 6 - 2);
    if !short && !value.is_number() && !value.is_boolean() && !value.is_null() {
        let length = value.to_string().len();
        if length > MAX_VALUE_BYTES {
            return Some(format!(
                "the value takes {length} bytes as JSON; at most {MAX_VALUE_BYTES} are kept"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(time: i64) -> Said {
        Said { time: Time(time), priority: 0, by: format!("e{time}") }
    }

    fn patch(json: Value) -> Map<String, Value> {
        let Value::Object(object) = json else { panic!("an object") };
        object
    }

    fn shown(attributes: &Stating) -> Value {
        serde_json::to_value(survivorship::fold([attributes])).unwrap()
    }

    #[test]
    fn a_patch_replaces_removes_and_leaves() {
        let mut attributes = Stating::new();
        take(&mut attributes, patch(serde_json::json!({"city": "上海", "level": 3, "vip": true})), &said(1));
        let taken =
            take(&mut attributes, patch(serde_json::json!({"city": "杭州", "level": null})), &said(2));
        assert_eq!(shown(&attributes), serde_json::json!({"city": "杭州", "vip": true}));
        assert_eq!(Value::from(taken.statements), serde_json::json!({"city": "杭州", "level": null}));
        assert!(taken.visible);
    }

    #[test]
    fn older_statements_lose_and_repeated_ones_renew_the_evidence() {
        let mut attributes = Stating::new();
        take(&mut attributes, patch(serde_json::json!({"city": "上海"})), &said(5));
        assert_eq!(
            take(&mut attributes, patch(serde_json::json!({"city": "北京"})), &said(3)),
            Taken::default()
        );
        let again = take(&mut attributes, patch(serde_json::json!({"city": "上海"})), &said(9));
        assert!(!again.visible && again.statements.contains_key("city"));
        assert_eq!(
            take(&mut attributes, patch(serde_json::json!({"city": "北京"})), &said(7)),
            Taken::default()
        );
    }

    #[test]
    fn what_is_too_much_is_refused_and_the_rest_taken() {
        let mut attributes = Stating::new();
        let long = "长".repeat(6_000);
        let given =
            serde_json::json!({"ok": 1, "long": long, "名".repeat(129): 1, "名".repeat(128): 1, "": 1});
        let taken = take(&mut attributes, patch(given), &said(1));
        assert_eq!((taken.statements.len(), taken.refused.len()), (2, 3));
        let many = (0..MAX_ATTRIBUTES).map(|n| (format!("a{n}"), Value::from(n))).collect();
        assert_eq!(take(&mut attributes, many, &said(2)).refused.len(), 2);
        assert!(take(&mut attributes, patch(serde_json::json!({"ok": 2})), &said(3)).visible);
    }
}
