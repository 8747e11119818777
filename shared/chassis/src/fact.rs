//! Platform facts: events by which services tell each other, and analytics, what the platform did.

use kernel::{CustomerId, Error, EventKey, Ids, RecordId, Result, Time, Workspace};
use serde_json::{Map, Value};
use wire::event::Event;

use crate::values::to_struct;

/// Effects whose chain of causes is longer are refused: it is a loop.
pub const MAX_DEPTH: u32 = 16;

/// What a fact is about and what caused it.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Id of the event that caused it; empty when a person or a clock did.
    pub id: String,
    /// Its depth; the fact's own is one more.
    pub depth: u32,
    /// Its trace.
    pub trace_parent: String,
}

impl Cause {
    /// Nothing on the log caused it.
    pub fn none() -> Self {
        Self { id: String::new(), depth: 0, trace_parent: String::new() }
    }

    /// This event caused it.
    pub fn of(event: &Event) -> Self {
        Self { id: event.id.clone(), depth: event.depth, trace_parent: event.trace_parent.clone() }
    }
}

/// A platform fact about a customer, ready to be published by a unit of work: it happened at `time`, and the platform
/// accepts it now, by the clock of `ids`.
///
/// # Errors
/// [`kernel::Kind::Precondition`] when the chain of causes is too long.
pub fn new(
    ids: &Ids,
    name: &str,
    (customer, record): (CustomerId, RecordId),
    time: Time,
    cause: &Cause,
    properties: Map<String, Value>,
) -> Result<Event> {
    let depth = cause.depth + 1;
    if depth > MAX_DEPTH {
        let message = format!("`{name}` would be the {depth}th effect in a row of `{}`: a loop", cause.id);
        return Err(Error::precondition("CAUSE_LOOP", message));
    }
    Ok(Event {
        id: ids.next().to_string(),
        name: name.to_owned(),
        time: Some(time.into()),
        received_at: Some(ids.clock().now().into()),
        customer_id: customer.to_string(),
        record_id: record.to_string(),
        properties: Some(to_struct(properties)),
        trace_parent: cause.trace_parent.clone(),
        cause_id: cause.id.clone(),
        depth,
        ..Event::default()
    })
}

/// A property of an event as text; empty when it is missing or something else.
pub fn text<'a>(event: &'a Event, name: &str) -> &'a str {
    match event.properties.as_ref().and_then(|p| p.fields.get(name)).and_then(|v| v.kind.as_ref()) {
        Some(prost_types::value::Kind::StringValue(text)) => text,
        _ => "",
    }
}

/// The whole properties as JSON.
pub fn properties(event: &Event) -> Map<String, Value> {
    event.properties.clone().map(crate::values::from_struct).unwrap_or_default()
}

/// When it happened; the epoch when it does not say.
pub fn time(event: &Event) -> Time {
    event.time.as_ref().map(Time::from).unwrap_or_default()
}

/// By what an event that was accepted is known when it comes again.
pub fn key(workspace: &Workspace, event: &Event) -> EventKey {
    let source = event.context.as_ref().map_or("", |context| &context.source_key);
    EventKey::new(workspace, source, &event.id)
}

/// The customer and the record it was seen on.
///
/// # Errors
/// [`kernel::Kind::Invalid`] when either is missing.
pub fn subject(event: &Event) -> Result<(CustomerId, RecordId)> {
    Ok((event.customer_id.parse()?, event.record_id.parse()?))
}

#[cfg(test)]
mod tests {
    use kernel::Clock;

    use super::*;

    fn fact(time: Time, cause: &Cause) -> Result<Event> {
        let (clock, _) = Clock::warped(Time::from_seconds(2_000));
        let ids = Ids::new(clock);
        let subject = (CustomerId(ids.next()), RecordId(ids.next()));
        new(&ids, "tag.added", subject, time, cause, Map::new())
    }

    #[test]
    fn a_fact_about_the_past_is_received_now() {
        let fact = fact(Time::from_seconds(1_000), &Cause::none()).unwrap();
        assert_eq!(time(&fact), Time::from_seconds(1_000));
        assert_eq!(fact.received_at, Some(Time::from_seconds(2_000).into()));
    }

    #[test]
    fn a_chain_of_causes_ends() {
        let mut cause = Cause::none();
        for _ in 0..MAX_DEPTH {
            cause = Cause::of(&fact(Time(0), &cause).unwrap());
        }
        assert_eq!(fact(Time(0), &cause).unwrap_err().reason, "CAUSE_LOOP");
    }
}
