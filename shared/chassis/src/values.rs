//! Free-form data: protobuf `Struct` and JSON, there and back.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::{Map, Number};

/// A JSON object as a `Struct`.
pub fn to_struct(object: Map<String, serde_json::Value>) -> Struct {
    Struct { fields: object.into_iter().map(|(name, value)| (name, to_value(value))).collect() }
}

/// A JSON value as a `Value`.
pub fn to_value(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        serde_json::Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => Kind::StringValue(value),
        serde_json::Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(to_value).collect() })
        }
        serde_json::Value::Object(object) => Kind::StructValue(to_struct(object)),
    };
    Value { kind: Some(kind) }
}

/// A `Struct` as a JSON object.
pub fn from_struct(given: Struct) -> Map<String, serde_json::Value> {
    given.fields.into_iter().map(|(name, value)| (name, from_value(value))).collect()
}

/// A `Value` as JSON; whole numbers within ±2⁵³ become integers.
pub fn from_value(value: Value) -> serde_json::Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(fields)) => from_struct(fields).into(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within ±2⁵³")]
fn number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Number::from(value as i64).into();
    }
    Number::from_f64(value).map_or(serde_json::Value::Null, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_there_and_back() {
        let json = serde_json::json!({"城市": "上海", "n": 3, "x": 1.5, "list": [null, true, {"a": []}]});
        let serde_json::Value::Object(object) = json.clone() else { unreachable!() };
        assert_eq!(serde_json::Value::Object(from_struct(to_struct(object))), json);
    }
}
