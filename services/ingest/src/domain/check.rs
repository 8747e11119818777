//! What an event must be like. Makes it tidy, then says whether it is accepted.

use std::time::Duration;

use kernel::{Ids, Time};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use wire::event::Event;

use super::refusal::{Reason, Refusal};
use super::{identifiers, name};

/// Longest id, in characters.
pub(crate) const MAX_ID_CHARS: usize = 100;
/// A sender's clock may be so far ahead.
const AHEAD: Duration = Duration::from_secs(86_400);
/// 9999-12-31T23:59:59Z, the end of protobuf's range.
const LAST_SECOND: i64 = 253_402_300_799;

/// Limits of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes, encoded.
    pub(crate) bytes: usize,
    /// Levels of nesting in the properties.
    pub(crate) depth: usize,
    /// Named values in the properties.
    pub(crate) keys: usize,
}

/// Tidies `event` (name in snake case, an id and a time if it has none, nothing that only the platform may say) and
/// says the first thing that is wrong with it.
///
/// A time more than a day ahead tells of a wrong clock: the event then counts as of now.
pub(crate) fn check(event: &mut Event, limits: &Limits, now: Time, ids: &Ids) -> Result<(), Refusal> {
    event.customer_id.clear();
    event.record_id.clear();
    event.cause_id.clear();
    event.depth = 0;
    event.received_at = Some(now.into());
    identifiers::tidy(&mut event.identifiers);
    check_id(event, ids)?;
    check_time(event, now)?;
    check_name(event)?;
    check_identifiers(event)?;
    check_size(event, limits)
}

fn check_id(event: &mut Event, ids: &Ids) -> Result<(), Refusal> {
    if event.id.is_empty() {
        event.id = ids.next().to_string();
    }
    if event.id.len() > MAX_ID_CHARS && event.id.chars().count() > MAX_ID_CHARS {
        let message = format!("the id is longer than {MAX_ID_CHARS} characters; send a UUID");
        return Err(Refusal::new(Reason::BadId, message));
    }
    Ok(())
}

fn check_time(event: &mut Event, now: Time) -> Result<(), Refusal> {
    let Some(stamp) = &event.time else {
        event.time = Some(now.into());
        return Ok(());
    };
    if !(0..=LAST_SECOND).contains(&stamp.seconds) || !(0..1_000_000_000).contains(&stamp.nanos) {
        let message = "the time is not within 1970 to 9999; send RFC 3339 or leave it out";
        return Err(Refusal::new(Reason::BadTime, message));
    }
    if Time::from(stamp) > now.plus(AHEAD) {
        event.time = Some(now.into());
    }
    Ok(())
}

fn check_name(event: &mut Event) -> Result<(), Refusal> {
    let tidy = name::snake_case(&event.name);
    if tidy != event.name {
        let original = Value { kind: Some(Kind::StringValue(std::mem::replace(&mut event.name, tidy))) };
        let properties = event.properties.get_or_insert_default();
        properties.fields.entry("original_name".to_owned()).or_insert(original);
    }
    if event.name.is_empty() {
        return Err(Refusal::new(
            Reason::MissingName,
            "the event has no name; send one such as `order_completed`",
        ));
    }
    if event.name.chars().count() > name::MAX_CHARS {
        let message =
            format!("the name is longer than {} characters; put details into properties", name::MAX_CHARS);
        return Err(Refusal::new(Reason::NameTooLong, message));
    }
    if name::is_reserved(&event.name) {
        let message =
            format!("`{}` is a fact that only the platform states; choose another name", event.name);
        return Err(Refusal::new(Reason::ReservedName, message));
    }
    Ok(())
}

fn check_identifiers(event: &Event) -> Result<(), Refusal> {
    if event.identifiers.is_empty() {
        let message = "nobody is named; send userId, anonymousId or another identifier";
        return Err(Refusal::new(Reason::MissingIdentity, message));
    }
    if event.identifiers.len() > identifiers::MAX_COUNT {
        let message = format!("more than {} identifiers", identifiers::MAX_COUNT);
        return Err(Refusal::new(Reason::BadIdentifier, message));
    }
    for (at, identifier) in event.identifiers.iter().enumerate() {
        if !identifiers::is_namespace(&identifier.namespace) {
            let message =
                format!("identifiers[{at}].namespace: write one such as `user_id` or `wechat.openid:wx12`");
            return Err(Refusal::new(Reason::BadIdentifier, message));
        }
        if identifier.value.len() > identifiers::MAX_BYTES {
            let message = format!("identifiers[{at}].value: longer than {} bytes", identifiers::MAX_BYTES);
            return Err(Refusal::new(Reason::BadIdentifier, message));
        }
    }
    Ok(())
}

fn check_size(event: &Event, limits: &Limits) -> Result<(), Refusal> {
    let size = event.encoded_len();
    if size > limits.bytes {
        let message =
            format!("{size} bytes; at most {} are accepted: send less, or a reference", limits.bytes);
        return Err(Refusal::new(Reason::TooLarge, message));
    }
    let devices = event.context.as_ref().and_then(|context| context.device.as_ref());
    let mut keys = 0;
    for fields in event.properties.iter().chain(devices) {
        measure(fields, 1, limits, &mut keys)?;
    }
    Ok(())
}

fn measure(fields: &Struct, depth: usize, limits: &Limits, keys: &mut usize) -> Result<(), Refusal> {
    *keys += fields.fields.len();
    if *keys > limits.keys {
        let message = format!("more than {} named values; send fewer properties", limits.keys);
        return Err(Refusal::new(Reason::TooManyKeys, message));
    }
    fields.fields.values().try_for_each(|value| measure_value(value, depth, limits, keys))
}

fn measure_value(value: &Value, depth: usize, limits: &Limits, keys: &mut usize) -> Result<(), Refusal> {
    if depth > limits.depth {
        let message = format!("nested deeper than {} levels; flatten the properties", limits.depth);
        return Err(Refusal::new(Reason::TooDeep, message));
    }
    match &value.kind {
        Some(Kind::StructValue(inner)) => measure(inner, depth + 1, limits, keys),
        Some(Kind::ListValue(list)) => {
            list.values.iter().try_for_each(|value| measure_value(value, depth + 1, limits, keys))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
