//! Single values of events by their path: what breakdowns, sums and property columns are made of.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use wire::event::Event;

/// A value that can be a series' key or be summed.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Never NaN.
    Number(f64),
    /// Text.
    Text(String),
    /// Truth.
    Bool(bool),
}

impl Scalar {
    /// As a series' key: text as it is, whole numbers without a point, `true` or `false`.
    pub fn key(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bool(truth) => truth.to_string(),
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value.kind.as_ref()? {
            // Adding 0 turns -0 into 0: one value, one key.
            Kind::NumberValue(number) if !number.is_nan() => Some(Self::Number(*number + 0.0)),
            Kind::StringValue(text) => Some(Self::Text(text.clone())),
            Kind::BoolValue(truth) => Some(Self::Bool(*truth)),
            _ => None,
        }
    }
}

/// The path of the event's name itself.
const NAME: &str = "name";

/// The value at `path`: `name`, `properties.<key>` (also with a point in the key), `properties.<key>.<key>…` within objects,
/// `context.channel`, `context.source_key`, `context.campaign.{name,source,medium,term,content}`, `context.locale`.
/// Empty texts of the context count as absent; lists and objects have no value.
pub fn value_at(event: &Event, path: &str) -> Option<Scalar> {
    if path == NAME {
        return Some(Scalar::Text(event.name.clone()));
    }
    if let Some(rest) = path.strip_prefix("properties.") {
        return in_struct(event.properties.as_ref()?, rest);
    }
    let context = event.context.as_ref()?;
    let campaign = context.campaign.as_ref();
    let text = match path {
        "context.channel" => &context.channel,
        "context.source_key" => &context.source_key,
        "context.locale" => &context.locale,
        "context.campaign.name" => &campaign?.name,
        "context.campaign.source" => &campaign?.source,
        "context.campaign.medium" => &campaign?.medium,
        "context.campaign.term" => &campaign?.term,
        "context.campaign.content" => &campaign?.content,
        _ => return None,
    };
    (!text.is_empty()).then(|| Scalar::Text(text.clone()))
}

/// Whether [`value_at`] knows such a path.
pub fn is_path(path: &str) -> bool {
    match path.strip_prefix("properties.") {
        Some(rest) => !rest.is_empty(),
        None => {
            matches!(path, NAME | "context.channel" | "context.source_key" | "context.locale")
                || path
                    .strip_prefix("context.campaign.")
                    .is_some_and(|field| matches!(field, "name" | "source" | "medium" | "term" | "content"))
        }
    }
}

/// Whether all values of the path are among [`shredded`].
pub fn is_shredded(path: &str) -> bool {
    match path.strip_prefix("properties.") {
        Some(key) => !key.contains('.'),
        None => matches!(path, "context.channel" | "context.source_key"),
    }
}

/// The values that get columns of their own, with their paths: single values directly under `properties`, the channel
/// and the source.
pub fn shredded(event: &Event) -> impl Iterator<Item = (String, Scalar)> + '_ {
    let fields = event.properties.iter().flat_map(|properties| &properties.fields);
    let properties = fields
        .filter(|(key, _)| !key.contains('.'))
        .filter_map(|(key, value)| Some((format!("properties.{key}"), Scalar::of(value)?)));
    let context = ["context.channel", "context.source_key"];
    properties.chain(context.into_iter().filter_map(|path| Some((path.to_owned(), value_at(event, path)?))))
}

fn in_struct(object: &Struct, path: &str) -> Option<Scalar> {
    if let Some(value) = object.fields.get(path) {
        return Scalar::of(value);
    }
    let (key, rest) = path.split_once('.')?;
    match object.fields.get(key)?.kind.as_ref()? {
        Kind::StructValue(inner) => in_struct(inner, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::event::Context;

    use super::*;

    fn number(n: f64) -> Value {
        Value { kind: Some(Kind::NumberValue(n)) }
    }

    #[test]
    fn paths_reach_into_objects_and_the_context() {
        let inner = Struct { fields: [("市".to_owned(), number(3.0))].into() };
        let fields: BTreeMap<_, _> = [
            ("total".to_owned(), number(99.5)),
            ("a.b".to_owned(), number(1.0)),
            ("address".to_owned(), Value { kind: Some(Kind::StructValue(inner)) }),
        ]
        .into();
        let event = Event {
            properties: Some(Struct { fields }),
            context: Some(Context { channel: "wechat".to_owned(), ..Context::default() }),
            ..Event::default()
        };
        let key = |path| value_at(&event, path).map(|scalar| scalar.key());
        assert_eq!(key("properties.total").as_deref(), Some("99.5"));
        assert_eq!(key("properties.a.b").as_deref(), Some("1"));
        assert_eq!(key("properties.address.市").as_deref(), Some("3"));
        assert_eq!(key("properties.address"), None);
        assert_eq!(key("context.channel").as_deref(), Some("wechat"));
        assert_eq!(key("context.locale"), None);
        let columns: Vec<_> = shredded(&event).map(|(path, _)| path).collect();
        assert_eq!(columns, ["properties.total", "context.channel"]);
        assert!(columns.iter().all(|path| is_path(path) && is_shredded(path)));
    }
}
