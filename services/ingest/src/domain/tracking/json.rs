//! Reading JSON as SDKs write it: `null` is absent, a number may stand where text is meant.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value};

/// Text, or a number or boolean as text; anything else is empty. Without blanks around it.
pub(super) fn text(object: &Map<String, Value>, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    }
}

/// An object within an object.
pub(super) fn object<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    object.get(name).and_then(Value::as_object)
}

/// The object as free-form data, without what is `null`.
pub(super) fn fields(object: &Map<String, Value>) -> Struct {
    let given = object.iter().filter(|(_, value)| !value.is_null());
    Struct { fields: given.map(|(name, value)| (name.clone(), value_of(value))).collect() }
}

/// One value.
pub(super) fn value_of(json: &Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(value_of).collect() }),
        Value::Object(inner) => Kind::StructValue(fields(inner)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A text value.
pub(super) fn text_value(text: impl Into<String>) -> prost_types::Value {
    prost_types::Value { kind: Some(Kind::StringValue(text.into())) }
}

/// Puts under `object` what it lacks (or has as `null`) and `defaults` has, at every level.
pub(super) fn complete(object: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (name, default) in defaults {
        match (object.get_mut(name), default) {
            (Some(Value::Object(inner)), Value::Object(default)) => complete(inner, default),
            (None | Some(Value::Null), _) => {
                object.insert(name.clone(), default.clone());
            }
            _ => {}
        }
    }
}
