//! `context` of a call: where and on what it happened.

use std::net::IpAddr;

use prost_types::Struct;
use serde_json::{Map, Value};
use wire::event::{Campaign, Context, Library, Page};

use super::call::Arrival;
use super::json::{fields, object, text, value_of};

/// Parts that go with the device: what it runs and what it is connected to.
const BESIDE_DEVICE: [&str; 4] = ["os", "app", "screen", "network"];

/// The context of a call.
pub(super) fn translate(call: &Map<String, Value>, arrival: &Arrival<'_>) -> Context {
    let empty = Map::new();
    let given = object(call, "context").unwrap_or(&empty);
    let library = object(given, "library")
        .map(|library| Library { name: text(library, "name"), version: text(library, "version") });
    Context {
        source_key: arrival.source.key.clone(),
        source_priority: arrival.source.priority,
        channel: channel(call, given, library.as_ref()),
        campaign: object(given, "campaign").map(campaign),
        page: page(call, given),
        ip: ip(given, arrival.peer),
        user_agent: text(given, "userAgent"),
        locale: text(given, "locale"),
        timezone: text(given, "timezone"),
        device: device(given),
        library,
    }
}

/// What the call says, else what its library runs on.
fn channel(call: &Map<String, Value>, context: &Map<String, Value>, library: Option<&Library>) -> String {
    let said = [text(context, "channel"), text(call, "channel")].into_iter().find(|text| !text.is_empty());
    match said.as_deref() {
        Some("browser") => "web".to_owned(),
        Some("mobile") => "app".to_owned(),
        Some(other) => other.to_owned(),
        None => by_library(library.map_or("", |library| &library.name)).to_owned(),
    }
}

fn by_library(name: &str) -> &'static str {
    let name = name.to_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if any(&["ios", "android", "flutter", "react-native", "kotlin", "swift"]) {
        "app"
    } else if any(&["python", "node", "java-", "ruby", "-go", "php", "dotnet", ".net", "rust"]) {
        "server"
    } else {
        "web"
    }
}

fn campaign(given: &Map<String, Value>) -> Campaign {
    Campaign {
        name: text(given, "name"),
        source: text(given, "source"),
        medium: text(given, "medium"),
        term: text(given, "term"),
        content: text(given, "content"),
    }
}

/// `context.page`; for page calls of SDKs without it, what stands in the properties.
fn page(call: &Map<String, Value>, context: &Map<String, Value>) -> Option<Page> {
    let of_call = || object(call, "properties").filter(|_| text(call, "type") == "page");
    let given = object(context, "page").or_else(of_call)?;
    let page = Page {
        url: text(given, "url"),
        path: text(given, "path"),
        referrer: text(given, "referrer"),
        title: text(given, "title"),
    };
    (page != Page::default()).then_some(page)
}

/// What the call says; the sender's own address when the call says that it comes directly from the person.
fn ip(context: &Map<String, Value>, peer: Option<IpAddr>) -> String {
    let said = text(context, "ip");
    let direct = context.get("direct").and_then(Value::as_bool).unwrap_or(false);
    match peer.filter(|_| said.is_empty() && direct) {
        Some(peer) => peer.to_canonical().to_string(),
        None => said,
    }
}

fn device(context: &Map<String, Value>) -> Option<Struct> {
    let mut device = object(context, "device").map(fields).unwrap_or_default();
    for name in BESIDE_DEVICE {
        if let Some(part) = context.get(name).filter(|part| part.is_object()) {
            device.fields.entry(name.to_owned()).or_insert_with(|| value_of(part));
        }
    }
    (!device.fields.is_empty()).then_some(device)
}
