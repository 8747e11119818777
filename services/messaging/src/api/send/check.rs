//! What a request to send must be, and the message it becomes.

use std::collections::{HashMap, HashSet};

use chassis::{Caller, rpc, values};
use kernel::{CustomerId, Error, MessageId, RecordId, Result, Violation};
use wire::messaging as pb;
use wire::messaging::send_message_request::{Body, Customer};

use super::same::digest;
use crate::api::{Api, convert};
use crate::domain::channel::Channel;
use crate::domain::message::Progress;
use crate::domain::template::Content;
use crate::store::keyed;
use crate::store::messages::{Asked, Message};
use crate::store::templates::Template;

/// Longest idempotency key, in bytes.
const LONGEST_KEY: usize = 256;

/// What the requests of one call may name.
pub(super) struct Names {
    /// Kind by key.
    pub(super) channels: HashMap<String, &'static str>,
    templates: HashSet<String>,
}

impl Api {
    /// Reads what the requests name, once for all of them.
    pub(super) async fn names(&self, caller: &Caller, requests: &[pb::SendMessageRequest]) -> Result<Names> {
        let db = self.db.read();
        let channels: Vec<Channel> = keyed::all(db, &caller.workspace).await?;
        let mut wanted: Vec<&str> = requests.iter().filter_map(template).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let templates: Vec<Template> = keyed::of_keys(db, &caller.workspace, &wanted).await?;
        Ok(Names {
            channels: channels.into_iter().map(|channel| (channel.key, channel.kind.name())).collect(),
            templates: templates.into_iter().map(|template| template.key).collect(),
        })
    }

    /// The message that a checked request becomes.
    pub(super) fn message(
        &self,
        caller: &Caller,
        request: &pb::SendMessageRequest,
        (customer, record): (CustomerId, RecordId),
    ) -> Result<Message> {
        let now = self.clock.now();
        let event = request.event.clone().unwrap_or_default();
        let content = match &request.body {
            Some(Body::Content(given)) => Some(Content {
                subject: given.subject.clone(),
                text: given.text.clone(),
                html: given.html.clone(),
            }),
            _ => None,
        };
        let (cause_id, cause_depth) = match request.cause_id.is_empty() {
            true => (event.id.clone(), event.depth),
            false => (request.cause_id.clone(), request.cause_depth),
        };
        Ok(Message {
            workspace: caller.workspace.clone(),
            id: MessageId(self.ids.next()),
            idempotency_key: request.idempotency_key.clone(),
            digest: digest(request),
            customer,
            record,
            request: Asked {
                template: template(request).unwrap_or_default().to_owned(),
                purpose: convert::purpose_name(request.purpose)?.to_owned(),
                content,
                variables: request.variables.clone().map(values::from_struct).unwrap_or_default(),
                locale: event.context.map(|context| context.locale).unwrap_or_default(),
                event: event.properties.map(values::from_struct).unwrap_or_default(),
                by: caller.subject.to_string(),
            },
            cause_id,
            cause_depth,
            trace_parent: if event.trace_parent.is_empty() {
                rpc::trace_parent()
            } else {
                event.trace_parent
            },
            created: now,
            progress: Progress::new(request.channels.clone(), now),
            content: None,
        })
    }
}

/// Everything that is wrong with a request.
pub(super) fn check(request: &pb::SendMessageRequest, names: &Names) -> Result<()> {
    let mut violations = Vec::new();
    let mut wrong = |field: &str, description: String| {
        violations.push(Violation { field: field.to_owned(), description });
    };
    let key = &request.idempotency_key;
    if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(|c| !c.is_ascii_graphic()) {
        // It travels as a header.
        wrong(
            "idempotency_key",
            format!("write 1 to {LONGEST_KEY} printable ASCII characters without blanks"),
        );
    }
    if request.channels.is_empty() {
        wrong("channels", "name at least one channel".to_owned());
    }
    for (n, channel) in request.channels.iter().enumerate() {
        if !names.channels.contains_key(channel) {
            wrong(&format!("channels[{n}]"), format!("no channel `{channel}`; create it first"));
        } else if request.channels[..n].contains(channel) {
            wrong(&format!("channels[{n}]"), format!("`{channel}` is named twice"));
        }
    }
    match &request.body {
        Some(Body::Template(key)) if !names.templates.contains(key) => {
            wrong("template", format!("no template `{key}`; create it first"));
        }
        Some(Body::Content(content)) if content.text.is_empty() && content.html.is_empty() => {
            wrong("content.text", "give text, html or both".to_owned());
        }
        Some(_) => {}
        None => wrong("template", "name a template or give content".to_owned()),
    }
    match &request.customer {
        Some(Customer::CustomerId(id)) if id.parse::<CustomerId>().is_err() => {
            wrong("customer_id", format!("`{id}` is not an id of this kind"));
        }
        Some(_) => {}
        None => wrong("customer_id", "name a customer by id or identifier".to_owned()),
    }
    if let Err(error) = convert::purpose_name(request.purpose) {
        violations.extend(error.violations);
    }
    if violations.is_empty() { Ok(()) } else { Err(Error::violations(violations)) }
}

fn template(request: &pb::SendMessageRequest) -> Option<&str> {
    match &request.body {
        Some(Body::Template(key)) => Some(key),
        _ => None,
    }
}
