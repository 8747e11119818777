//! One call as an event.

use std::net::IpAddr;

use kernel::Time;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Value};
use wire::event::{Event, Identifier};

use super::json::{fields, object, text, text_value};
use super::{context, time};
use crate::domain::identifiers::identifier;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::source::Source;

/// Types of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl Call {
    const ALL: [Self; 6] = [Self::Track, Self::Identify, Self::Page, Self::Screen, Self::Group, Self::Alias];

    /// Its name, as `type` and in paths.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }

    /// The type of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }
}

/// How a call came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// The source whose write key it bears.
    pub(crate) source: &'a Source,
    /// When.
    pub(crate) received: Time,
    /// From where.
    pub(crate) peer: Option<IpAddr>,
    /// W3C trace context; empty when there is none.
    pub(crate) trace_parent: &'a str,
}

/// The event, as far as the call can be understood, and what is wrong with the call.
pub(crate) fn translate(call: &Map<String, Value>, arrival: &Arrival<'_>) -> (Event, Option<Refusal>) {
    let mut event = Event {
        id: text(call, "messageId"),
        context: Some(context::translate(call, arrival)),
        trace_parent: arrival.trace_parent.to_owned(),
        ..Event::default()
    };
    let time = time::corrected(call, arrival.received);
    event.time = Some(time.unwrap_or(arrival.received).into());
    let given = text(call, "type");
    let Some(kind) = Call::parse(&given) else {
        let message = "`type` must be track, identify, page, screen, group or alias";
        return (event, Some(Refusal::new(Reason::UnknownType, message)));
    };
    event.name = name(kind, call);
    event.identifiers = identifiers(kind, call);
    event.properties = Some(properties(kind, call)).filter(|properties| !properties.fields.is_empty());
    let refusal = time.err().map(|member| {
        Refusal::new(Reason::BadTime, format!("`{member}` is not a time; write 2026-11-21T09:30:00+08:00"))
    });
    (event, refusal)
}

fn name(kind: Call, call: &Map<String, Value>) -> String {
    match kind {
        Call::Track => text(call, "event"),
        Call::Identify => "identified".to_owned(),
        Call::Page => "page_viewed".to_owned(),
        Call::Screen => "screen_viewed".to_owned(),
        Call::Group => "grouped".to_owned(),
        Call::Alias => "aliased".to_owned(),
    }
}

/// Who the call is about. Traits of a group describe the group: its mail address is nobody's.
///
/// `previousId` of an alias is taken as an anonymous id: that is what SDKs send by default, and a second user id on one
/// person would be a conflict.
fn identifiers(kind: Call, call: &Map<String, Value>) -> Vec<Identifier> {
    let context = object(call, "context");
    let own = object(call, "traits").filter(|_| kind != Call::Group);
    let of_context = context.and_then(|context| object(context, "traits"));
    let trait_text = |name: &str| {
        [own, of_context].into_iter().flatten().map(|traits| text(traits, name)).find(|text| !text.is_empty())
    };
    let device = context.and_then(|context| object(context, "device")).map(|device| text(device, "id"));
    let mut found = vec![
        identifier("user_id", text(call, "userId")),
        identifier("anonymous_id", text(call, "anonymousId")),
        identifier("email", trait_text("email").unwrap_or_default()),
        identifier("phone", trait_text("phone").unwrap_or_default()),
        identifier("device_id", device.unwrap_or_default()),
    ];
    if kind == Call::Alias {
        found.push(identifier("anonymous_id", text(call, "previousId")));
    }
    found.extend(external(context));
    found.retain(|identifier| !identifier.value.is_empty());
    found
}

/// `context.externalIds`: `[{type: "wechat.openid:wx12…", id: "o9A…"}]`, for sites that know more names of a person.
fn external(context: Option<&Map<String, Value>>) -> impl Iterator<Item = Identifier> + '_ {
    let list = context.and_then(|context| context.get("externalIds")).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|external| identifier(text(external, "type"), text(external, "id")))
        .filter(|identifier| !identifier.namespace.is_empty())
}

fn properties(kind: Call, call: &Map<String, Value>) -> Struct {
    let mut properties = object(call, "properties").map(fields).unwrap_or_default();
    let mut add = |name: &str, text: String| {
        if !text.is_empty() {
            properties.fields.entry(name.to_owned()).or_insert_with(|| text_value(text));
        }
    };
    match kind {
        Call::Track => {}
        Call::Page | Call::Screen => {
            add("name", text(call, "name"));
            add("category", text(call, "category"));
        }
        Call::Group => add("group_id", text(call, "groupId")),
        Call::Alias => {
            add("previous_id", text(call, "previousId"));
            add("user_id", text(call, "userId"));
        }
        Call::Identify => {}
    }
    if matches!(kind, Call::Identify | Call::Group) {
        let traits = prost_types::Value { kind: Some(Kind::StructValue(traits(kind, call))) };
        properties.fields.insert("traits".to_owned(), traits);
    }
    properties
}

/// Traits at the top; those of an identify call also from the context, where some SDKs put all of them.
fn traits(kind: Call, call: &Map<String, Value>) -> Struct {
    let of_context = object(call, "context").and_then(|context| object(context, "traits"));
    let mut traits = of_context.filter(|_| kind == Call::Identify).map(fields).unwrap_or_default();
    traits.fields.extend(object(call, "traits").map(fields).unwrap_or_default().fields);
    traits
}
