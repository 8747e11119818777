//! Numbers of enums that no enum has: protobuf lets them through, and a newer client's choice would silently count as
//! "unspecified". They are refused before a service sees them.

use std::collections::HashSet;

use kernel::{Error, Result, Violation};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};

/// The enums of one method's request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    request: MessageDescriptor,
}

impl Choices {
    /// `None` for a request without enums: nothing is looked at then.
    pub(crate) fn of(request: MessageDescriptor) -> Option<Self> {
        has_enum(&request, &mut HashSet::new()).then_some(Self { request })
    }

    /// Refuses a request with a number that its enum does not have.
    ///
    /// # Errors
    /// One violation for each, with the names there are.
    pub(crate) fn check(&self, request: &impl Message) -> Result<()> {
        let bytes = request.encode_to_vec();
        let dynamic = DynamicMessage::decode(self.request.clone(), bytes.as_slice())
            .map_err(|cause| Error::internal("a request does not fit its descriptor").caused_by(cause))?;
        let mut wrong = Vec::new();
        look_into(&dynamic, "", &mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(Error::violations(wrong)) }
    }
}

/// Types of protobuf itself (`Struct` has an enum of nulls) are no choices.
fn is_ours(message: &MessageDescriptor) -> bool {
    !message.full_name().starts_with("google.")
}

fn has_enum(message: &MessageDescriptor, seen: &mut HashSet<String>) -> bool {
    is_ours(message)
        && seen.insert(message.full_name().to_owned())
        && message.fields().any(|field| match field.kind() {
            Kind::Enum(_) => true,
            Kind::Message(inner) => has_enum(&inner, seen),
            _ => false,
        })
}

fn look_into(message: &DynamicMessage, path: &str, wrong: &mut Vec<Violation>) {
    for (field, value) in message.fields() {
        let name = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
        look_at(&field, value, &name, wrong);
    }
}

fn look_at(field: &FieldDescriptor, value: &Value, path: &str, wrong: &mut Vec<Violation>) {
    match value {
        Value::EnumNumber(number) => wrong.extend(violation(field, *number, path)),
        Value::Message(inner) if is_ours(&inner.descriptor()) => look_into(inner, path, wrong),
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                look_at(field, item, &format!("{path}[{at}]"), wrong);
            }
        }
        Value::Map(entries) => {
            let Kind::Message(entry) = field.kind() else { return };
            for (key, item) in entries {
                let key = match key {
                    prost_reflect::MapKey::String(text) => text.clone(),
                    other => format!("{other:?}"),
                };
                look_at(&entry.map_entry_value_field(), item, &format!("{path}[{key}]"), wrong);
            }
        }
        _ => {}
    }
}

fn violation(field: &FieldDescriptor, number: i32, path: &str) -> Option<Violation> {
    let Kind::Enum(of) = field.kind() else { return None };
    if of.get_value(number).is_some() {
        return None;
    }
    let known: Vec<String> = of
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| format!("{} = {}", value.name(), value.number()))
        .collect();
    let description = format!("{number} is no {}; there are {}", of.name(), known.join(", "));
    Some(Violation { field: path.to_owned(), description })
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;
    use wire::analytics::{Measure, QueryTrendRequest};
    use wire::journey::{CreateJourneyRequest, Definition, Journey, Node, Send, node};
    use wire::messaging::{SendMessageRequest, SendMessagesRequest};
    use wire::segmentation::{CreateSegmentRequest, Segment};

    use super::*;

    fn choices(name: &str) -> Option<Choices> {
        let pool = DescriptorPool::decode(wire::DESCRIPTORS).unwrap();
        Choices::of(pool.get_message_by_name(name).unwrap())
    }

    fn fields(name: &str, request: &impl Message) -> Vec<String> {
        let checked = choices(name).unwrap().check(request);
        checked.err().into_iter().flat_map(|error| error.violations).map(|v| v.field).collect()
    }

    #[test]
    fn unknown_numbers_are_found_wherever_they_stand() {
        let create = |kind| CreateSegmentRequest { segment: Some(Segment { kind, ..Segment::default() }) };
        let name = "guanxi.segmentation.v1.CreateSegmentRequest";
        assert_eq!(fields(name, &create(7)), ["segment.kind"]);
        assert_eq!(fields(name, &create(-1)), ["segment.kind"]);
        assert!(fields(name, &create(1)).is_empty() && fields(name, &create(0)).is_empty());
        let trend = |measure| QueryTrendRequest { measure, ..QueryTrendRequest::default() };
        let name = "guanxi.analytics.v1.QueryTrendRequest";
        assert_eq!(fields(name, &trend(99)), ["measure"]);
        assert!(fields(name, &trend(Measure::Count.into())).is_empty());
        let send = |purpose| SendMessageRequest { purpose, ..SendMessageRequest::default() };
        let batch = SendMessagesRequest { requests: vec![send(1), send(9), send(0), send(8)] };
        let name = "guanxi.messaging.v1.SendMessagesRequest";
        assert_eq!(fields(name, &batch), ["requests[1].purpose", "requests[3].purpose"]);
        let greet = Node {
            kind: Some(node::Kind::Send(Send { purpose: 5, ..Send::default() })),
            next: String::new(),
        };
        let nodes = [("greet".to_owned(), greet)].into();
        let definition = Some(Definition { nodes, ..Definition::default() });
        let request =
            CreateJourneyRequest { journey: Some(Journey { definition, state: 9, ..Journey::default() }) };
        let name = "guanxi.journey.v1.CreateJourneyRequest";
        assert_eq!(fields(name, &request), ["journey.definition.nodes[greet].send.purpose", "journey.state"]);
    }

    /// What is sent by the thousand costs nothing.
    #[test]
    fn requests_without_enums_are_not_looked_at() {
        assert!(choices("guanxi.ingest.v1.IngestEventsRequest").is_none());
    }
}
