//! `update`: attributes and tags of the customer.

use prost_types::Struct;
use wire::event::Event;
use wire::journey as proto;
use wire::profile::update_profile_request::Customer;
use wire::profile::{AddTagsRequest, RemoveTagsRequest, UpdateProfileRequest};

use crate::domain::problem::Problems;
use crate::domain::run::cause_id;

/// Changes the profile.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    attributes: Option<Struct>,
    /// Keys.
    pub(crate) add_tags: Vec<String>,
    /// Keys.
    pub(crate) remove_tags: Vec<String>,
    /// The next node.
    pub(crate) next: String,
}

impl Update {
    pub(crate) fn read(
        update: &proto::Update,
        next: String,
        place: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let attributes = update.attributes.clone().filter(|a| !a.fields.is_empty());
        if attributes.is_none() && update.add_tags.is_empty() && update.remove_tags.is_empty() {
            problems.add(format!("{place}.update"), "empty", "give attributes, add_tags or remove_tags");
        }
        Some(Self {
            attributes,
            add_tags: update.add_tags.clone(),
            remove_tags: update.remove_tags.clone(),
            next,
        })
    }

    /// The change of attributes, if there is one; `key` is the same in every repetition.
    pub(crate) fn profile(
        &self,
        key: &str,
        customer_id: &str,
        trigger: &Event,
    ) -> Option<UpdateProfileRequest> {
        Some(UpdateProfileRequest {
            customer: Some(Customer::CustomerId(customer_id.to_owned())),
            attributes: Some(self.attributes.clone()?),
            expected_version: 0,
            idempotency_key: key.to_owned(),
            cause_id: cause_id(trigger).to_owned(),
            cause_depth: trigger.depth,
        })
    }

    /// The tags to add, if there are any; `reason` says which journey.
    pub(crate) fn added(&self, reason: &str, customer_id: &str, trigger: &Event) -> Option<AddTagsRequest> {
        (!self.add_tags.is_empty()).then(|| AddTagsRequest {
            customer_ids: vec![customer_id.to_owned()],
            identifier: None,
            tag_keys: self.add_tags.clone(),
            reason: reason.to_owned(),
            source: "journey".to_owned(),
            cause_id: cause_id(trigger).to_owned(),
            cause_depth: trigger.depth,
        })
    }

    /// The tags to take away, if there are any.
    pub(crate) fn removed(
        &self,
        reason: &str,
        customer_id: &str,
        trigger: &Event,
    ) -> Option<RemoveTagsRequest> {
        (!self.remove_tags.is_empty()).then(|| RemoveTagsRequest {
            customer_ids: vec![customer_id.to_owned()],
            identifier: None,
            tag_keys: self.remove_tags.clone(),
            reason: reason.to_owned(),
            cause_id: cause_id(trigger).to_owned(),
            cause_depth: trigger.depth,
        })
    }
}
