//! A definition on the wire: fetched, created, updated, and compared field by field.

use chassis::rpc::call;
use kernel::{Error, Kind, Result, Violation};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use wire::ingest::{self, Source};
use wire::journey::{self, Journey, JourneyState};
use wire::messaging::{self, Channel, Template};
use wire::profile::{self, Tag};
use wire::segmentation::{self, Segment, TierSet};

use crate::client::Clients;

/// Names of settings that are never returned, and so cannot be compared.
const SECRETS: [&str; 6] =
    ["token", "encoding_aes_key", "encoding_aes_key_previous", "app_secret", "password", "secret"];

/// Fields that the platform fills in.
const FILLED_IN: [&str; 11] = [
    "createdAt",
    "updatedAt",
    "size",
    "state",
    "dependents",
    "progress",
    "customers",
    "version",
    "writeKey",
    "kind",
    "key",
];

/// Anything that can be applied.
#[derive(Clone, Debug)]
pub(super) enum Resource {
    Source(Source),
    Channel(Channel),
    Template(Template),
    Segment(Segment),
    Tag(Tag),
    TierSet(TierSet),
    Journey(Journey),
}

/// `match` over all kinds with the same expression.
macro_rules! each {
    ($resource:expr, $inner:ident => $answer:expr) => {
        match $resource {
            Resource::Source($inner) => $answer,
            Resource::Channel($inner) => $answer,
            Resource::Template($inner) => $answer,
            Resource::Segment($inner) => $answer,
            Resource::Tag($inner) => $answer,
            Resource::TierSet($inner) => $answer,
            Resource::Journey($inner) => $answer,
        }
    };
}

impl Resource {
    /// Its kind as people read it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Channel(_) => "channel",
            Self::Template(_) => "template",
            Self::Segment(_) => "segment",
            Self::Tag(_) => "tag",
            Self::TierSet(_) => "tier set",
            Self::Journey(_) => "journey",
        }
    }

    /// Its key.
    pub(super) fn key(&self) -> &str {
        each!(self, inner => &inner.key)
    }

    /// What others name comes first.
    pub(super) const fn order(&self) -> u8 {
        match self {
            Self::Source(_) | Self::Channel(_) => 0,
            Self::Template(_) => 1,
            Self::Segment(_) => 2,
            Self::Tag(_) => 3,
            Self::TierSet(_) => 4,
            Self::Journey(_) => 5,
        }
    }

    /// Whether it carries settings that cannot be compared.
    pub(super) fn has_secrets(&self) -> bool {
        let settings = match self {
            Self::Source(source) => source.settings.as_ref(),
            Self::Channel(channel) => channel.settings.as_ref(),
            Self::Template(_) | Self::Segment(_) | Self::Tag(_) | Self::TierSet(_) | Self::Journey(_) => None,
        };
        settings.is_some_and(|settings| SECRETS.iter().any(|name| settings.fields.contains_key(*name)))
    }

    /// The fields that people define, as JSON.
    ///
    /// # Errors
    /// When the descriptors do not fit, which would be a fault of the build.
    pub(super) fn shown(&self) -> Result<Value> {
        let (name, bytes) = match self {
            Self::Source(inner) => ("guanxi.ingest.v1.Source", inner.encode_to_vec()),
            Self::Channel(inner) => ("guanxi.messaging.v1.Channel", inner.encode_to_vec()),
            Self::Template(inner) => ("guanxi.messaging.v1.Template", inner.encode_to_vec()),
            Self::Segment(inner) => ("guanxi.segmentation.v1.Segment", inner.encode_to_vec()),
            Self::Tag(inner) => ("guanxi.profile.v1.Tag", inner.encode_to_vec()),
            Self::TierSet(inner) => ("guanxi.segmentation.v1.TierSet", inner.encode_to_vec()),
            Self::Journey(inner) => ("guanxi.journey.v1.Journey", inner.encode_to_vec()),
        };
        let mut json = to_json(name, &bytes)?;
        if let Value::Object(fields) = &mut json {
            fields.retain(|name, _| !FILLED_IN.contains(&name.as_str()));
            if let Some(Value::Object(settings)) = fields.get_mut("settings") {
                settings.retain(|name, _| !SECRETS.contains(&name.as_str()));
            }
            // None and an empty set of settings mean the same.
            fields.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
        }
        Ok(json)
    }

    /// What is there under the same key.
    ///
    /// # Errors
    /// What the service says, other than that it is not there.
    pub(super) async fn fetch(&self, clients: &Clients) -> Result<Option<Self>> {
        let key = self.key().to_owned();
        let found = match self {
            Self::Source(_) => call(clients.ingest().get_source(ingest::GetSourceRequest { key }))
                .await
                .map(|answer| answer.source.map(Self::Source)),
            Self::Channel(_) => call(clients.messaging().get_channel(messaging::GetChannelRequest { key }))
                .await
                .map(|answer| answer.channel.map(Self::Channel)),
            Self::Template(_) => {
                call(clients.messaging().get_template(messaging::GetTemplateRequest { key }))
                    .await
                    .map(|answer| answer.template.map(Self::Template))
            }
            Self::Segment(_) => {
                call(clients.segmentation().get_segment(segmentation::GetSegmentRequest { key }))
                    .await
                    .map(|answer| answer.segment.map(Self::Segment))
            }
            Self::Tag(_) => call(clients.tag().get_tag(profile::GetTagRequest { key }))
                .await
                .map(|answer| answer.tag.map(Self::Tag)),
            Self::TierSet(_) => {
                call(clients.segmentation().get_tier_set(segmentation::GetTierSetRequest { key }))
                    .await
                    .map(|answer| answer.tier_set.map(Self::TierSet))
            }
            Self::Journey(_) => call(clients.journey().get_journey(journey::GetJourneyRequest { key }))
                .await
                .map(|answer| answer.journey.map(Self::Journey)),
        };
        match found {
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            other => other,
        }
    }

    /// Creates it; a journey goes live.
    ///
    /// # Errors
    /// What the service says.
    pub(super) async fn create(&self, clients: &Clients) -> Result<()> {
        match self.clone() {
            Self::Source(inner) => {
                call(clients.ingest().create_source(ingest::CreateSourceRequest { source: Some(inner) }))
                    .await
                    .map(drop)
            }
            Self::Channel(inner) => {
                let request = messaging::CreateChannelRequest { channel: Some(inner) };
                call(clients.messaging().create_channel(request)).await.map(drop)
            }
            Self::Template(inner) => {
                let request = messaging::CreateTemplateRequest { template: Some(inner) };
                call(clients.messaging().create_template(request)).await.map(drop)
            }
            Self::Segment(inner) => {
                let request = segmentation::CreateSegmentRequest { segment: Some(inner) };
                call(clients.segmentation().create_segment(request)).await.map(drop)
            }
            Self::Tag(inner) => {
                call(clients.tag().create_tag(profile::CreateTagRequest { tag: Some(inner) })).await.map(drop)
            }
            Self::TierSet(inner) => {
                let request = segmentation::CreateTierSetRequest { tier_set: Some(inner) };
                call(clients.segmentation().create_tier_set(request)).await.map(drop)
            }
            Self::Journey(inner) => {
                validate(clients, &inner).await?;
                let key = inner.key.clone();
                let request = journey::CreateJourneyRequest { journey: Some(inner) };
                call(clients.journey().create_journey(request)).await?;
                publish(clients, key).await
            }
        }
    }

    /// Replaces it; a journey's new version goes live.
    ///
    /// # Errors
    /// What the service says.
    pub(super) async fn update(&self, clients: &Clients) -> Result<()> {
        match self.clone() {
            Self::Source(inner) => {
                let request = ingest::UpdateSourceRequest { source: Some(inner), rotate_write_key: false };
                call(clients.ingest().update_source(request)).await.map(drop)
            }
            Self::Channel(inner) => {
                let request = messaging::UpdateChannelRequest { channel: Some(inner) };
                call(clients.messaging().update_channel(request)).await.map(drop)
            }
            Self::Template(inner) => {
                let request = messaging::UpdateTemplateRequest { template: Some(inner) };
                call(clients.messaging().update_template(request)).await.map(drop)
            }
            Self::Segment(inner) => {
                let request = segmentation::UpdateSegmentRequest { segment: Some(inner) };
                call(clients.segmentation().update_segment(request)).await.map(drop)
            }
            Self::Tag(inner) => {
                call(clients.tag().update_tag(profile::UpdateTagRequest { tag: Some(inner) })).await.map(drop)
            }
            Self::TierSet(inner) => {
                let request = segmentation::UpdateTierSetRequest { tier_set: Some(inner) };
                call(clients.segmentation().update_tier_set(request)).await.map(drop)
            }
            Self::Journey(inner) => {
                validate(clients, &inner).await?;
                let key = inner.key.clone();
                let request = journey::UpdateJourneyRequest { journey: Some(inner) };
                let updated = call(clients.journey().update_journey(request)).await?;
                match updated.journey.map(|journey| journey.state()) {
                    // A journey that somebody paused or archived on purpose stays so.
                    Some(JourneyState::Paused | JourneyState::Archived) => Ok(()),
                    _ => publish(clients, key).await,
                }
            }
        }
    }
}

/// A journey with problems is not even drafted.
async fn validate(clients: &Clients, journey: &Journey) -> Result<()> {
    let request = journey::ValidateJourneyRequest { definition: journey.definition.clone() };
    let problems = call(clients.journey().validate_journey(request)).await?.problems;
    let violation = |problem: journey::Problem| Violation {
        field: format!("definition.{}", problem.place),
        description: problem.message,
    };
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::violations(problems.into_iter().map(violation).collect()))
}

async fn publish(clients: &Clients, key: String) -> Result<()> {
    call(clients.journey().publish_journey(journey::PublishJourneyRequest { key })).await.map(drop)
}

/// Every field that `wanted` or `present` has and that differs, as `path: present → wanted`.
pub(super) fn difference(present: &Value, wanted: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk("", Some(present), Some(wanted), &mut lines);
    lines
}

fn walk(path: &str, present: Option<&Value>, wanted: Option<&Value>, lines: &mut Vec<String>) {
    if present == wanted {
        return;
    }
    if let (Some(Value::Object(present)), Some(Value::Object(wanted))) = (present, wanted) {
        let names: std::collections::BTreeSet<&String> = present.keys().chain(wanted.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&path, present.get(name), wanted.get(name), lines);
        }
        return;
    }
    let text = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    lines.push(format!("{path}: {} → {}", text(present), text(wanted)));
}

fn to_json(name: &str, bytes: &[u8]) -> Result<Value> {
    let misfit = |cause| Error::internal("the descriptors do not fit the messages").caused_by(cause);
    let pool = DescriptorPool::decode(wire::DESCRIPTORS).map_err(misfit)?;
    let descriptor = pool
        .get_message_by_name(name)
        .ok_or_else(|| Error::internal(format!("there is no message {name}")))?;
    let message = DynamicMessage::decode(descriptor, bytes)
        .map_err(|cause| Error::internal("a message could not be read back").caused_by(cause))?;
    serde_json::to_value(&message)
        .map_err(|cause| Error::internal("a message could not be shown").caused_by(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_path() {
        let present =
            serde_json::json!({"name": "沉睡", "tiers": [1], "settings": {"port": 25, "host": "a"}});
        let wanted = serde_json::json!({"name": "沉睡", "tiers": [2], "settings": {"port": 26}});
        assert_eq!(
            difference(&present, &wanted),
            ["settings.host: \"a\" → nothing", "settings.port: 25 → 26", "tiers: [1] → [2]"]
        );
        assert!(difference(&wanted, &wanted).is_empty());
    }
}
