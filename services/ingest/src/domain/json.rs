//! An event as JSON, for people who look at what was refused.

use kernel::Time;
use serde_json::{Map, Value, json};
use wire::event::Event;

/// The event without what is empty.
pub(crate) fn of_event(event: &Event) -> Value {
    let identifier = |i: &wire::event::Identifier| json!({"namespace": i.namespace, "value": i.value});
    let mut object = Map::new();
    for (name, text) in [("id", &event.id), ("name", &event.name)] {
        if !text.is_empty() {
            object.insert(name.to_owned(), text.as_str().into());
        }
    }
    if let Some(time) = &event.time {
        object.insert("time".to_owned(), Time::from(time).to_string().into());
    }
    object.insert("identifiers".to_owned(), event.identifiers.iter().map(identifier).collect());
    if let Some(properties) = &event.properties {
        object
            .insert("properties".to_owned(), Value::Object(chassis::values::from_struct(properties.clone())));
    }
    object.into()
}
