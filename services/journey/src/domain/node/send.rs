//! `send`: a message over the first channel that may reach the customer.

use prost_types::Struct;
use wire::event::Event;
use wire::journey as proto;
use wire::messaging::SendMessageRequest;
use wire::messaging::send_message_request::{Body, Customer};

use crate::domain::problem::Problems;
use crate::domain::run::cause_id;

/// Sends.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    /// Channel keys in order of preference.
    pub(crate) channels: Vec<String>,
    /// Template key.
    pub(crate) template: String,
    purpose: i32,
    variables: Option<Struct>,
    /// The next node.
    pub(crate) next: String,
}

impl Send {
    pub(crate) fn read(
        send: &proto::Send,
        next: String,
        place: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        if send.channels.is_empty() {
            problems.add(format!("{place}.send.channels"), "empty", "name at least one channel");
        }
        if send.template.is_empty() {
            problems.add(format!("{place}.send.template"), "missing", "name the template");
        }
        if send.purpose() == proto::Purpose::Unspecified {
            let message = "say what for: marketing, service or transactional";
            problems.add(format!("{place}.send.purpose"), "missing", message);
        }
        Some(Self {
            channels: send.channels.clone(),
            template: send.template.clone(),
            purpose: send.purpose,
            variables: send.variables.clone(),
            next,
        })
    }

    /// The message; `key` is the same in every repetition, `trigger` started the run.
    pub(crate) fn request(&self, key: String, customer_id: String, trigger: &Event) -> SendMessageRequest {
        SendMessageRequest {
            idempotency_key: key,
            customer: Some(Customer::CustomerId(customer_id)),
            channels: self.channels.clone(),
            body: Some(Body::Template(self.template.clone())),
            variables: self.variables.clone(),
            // Both enums have the same numbers.
            purpose: self.purpose,
            cause_id: cause_id(trigger).to_owned(),
            cause_depth: trigger.depth,
            event: Some(trigger.clone()),
        }
    }
}
