//! What others are told about a message, on the log.

use chassis::fact::{self, Cause};
use kernel::{Ids, Result, Time};
use serde_json::{Map, Value};
use wire::event::Event;

use crate::store::messages::Message;

/// `message.queued`, or the fact of the message's end; `kind` is that of the channel in use.
///
/// # Errors
/// [`kernel::Kind::Precondition`] when the chain of causes is too long.
pub(crate) fn about(ids: &Ids, name: &str, message: &Message, kind: &str, now: Time) -> Result<Event> {
    let progress = &message.progress;
    let mut properties = Map::new();
    let mut put = |name: &str, value: String| properties.insert(name.to_owned(), Value::String(value));
    put("message_id", message.id.to_string());
    put("channel", progress.channel.clone());
    put("kind", kind.to_owned());
    put("template", message.request.template.clone());
    put("purpose", message.request.purpose.clone());
    for (name, value) in [("reason", &progress.reason), ("provider_id", &progress.provider_id)] {
        if !value.is_empty() {
            put(name, value.clone());
        }
    }
    let cause = Cause {
        id: message.cause_id.clone(),
        depth: message.cause_depth,
        trace_parent: message.trace_parent.clone(),
    };
    fact::new(ids, name, (message.customer, message.record), now, &cause, properties)
}
