//! The YAML shapes of definitions other than journeys, and what they become on the wire.

use std::collections::BTreeMap;

use kernel::time::parse_duration;
use kernel::{Error, Result};
use serde::Deserialize;
use wire::ingest::{Source, SourceKind};
use wire::messaging::{Channel, ChannelKind, Limits, Template, Variant};
use wire::profile::Tag;
use wire::segmentation::{Segment, SegmentKind, Tier, TierSet};

use super::journey::JourneyDocument;
use super::resource::Resource;
use super::setting::{Defaults, Settings, resolve};

/// One YAML document.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Document {
    Source(SourceDocument),
    Channel(ChannelDocument),
    Tag(TagDocument),
    Segment(SegmentDocument),
    TierSet(TierSetDocument),
    Template(TemplateDocument),
    Journey(JourneyDocument),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceDocument {
    key: String,
    #[serde(default)]
    name: String,
    source_kind: String,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    priority: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelDocument {
    key: String,
    #[serde(default)]
    name: String,
    channel_kind: String,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    limits: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagDocument {
    key: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentDocument {
    key: String,
    #[serde(default)]
    name: String,
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TierSetDocument {
    key: String,
    #[serde(default)]
    name: String,
    tiers: Vec<TierDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierDocument {
    key: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateDocument {
    key: String,
    #[serde(default)]
    name: String,
    variants: Vec<VariantDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantDocument {
    locale: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    html: String,
}

impl Document {
    /// As it goes over the wire.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] that names the key and the field.
    pub(super) fn into_resource(self, defaults: &Defaults) -> Result<Resource> {
        match self {
            Self::Source(document) => document.into_resource(defaults),
            Self::Channel(document) => document.into_resource(defaults),
            Self::Tag(document) => document.into_resource(),
            Self::Segment(SegmentDocument { key, name, condition }) => Ok(Resource::Segment(Segment {
                key,
                name,
                condition,
                kind: SegmentKind::Dynamic.into(),
                ..Segment::default()
            })),
            Self::TierSet(TierSetDocument { key, name, tiers }) => {
                let tiers =
                    tiers.into_iter().map(|t| Tier { key: t.key, name: t.name, condition: t.condition });
                Ok(Resource::TierSet(TierSet { key, name, tiers: tiers.collect(), ..TierSet::default() }))
            }
            Self::Template(TemplateDocument { key, name, variants }) => {
                let variant = |v: VariantDocument| Variant {
                    locale: v.locale,
                    subject: v.subject,
                    text: v.text,
                    html: v.html,
                };
                let variants = variants.into_iter().map(variant).collect();
                Ok(Resource::Template(Template { key, name, variants, ..Template::default() }))
            }
            Self::Journey(document) => document.into_resource(),
        }
    }
}

impl SourceDocument {
    fn into_resource(self, defaults: &Defaults) -> Result<Resource> {
        let name = format!("SOURCE_KIND_{}", self.source_kind.to_uppercase());
        let kind = SourceKind::from_str_name(&name).ok_or_else(|| {
            unknown(&self.key, "source_kind", &self.source_kind, "tracking, wechat_oa, import, api")
        })?;
        Ok(Resource::Source(Source {
            settings: resolve(self.settings, defaults).map_err(|error| of(&self.key, &error))?,
            key: self.key,
            name: self.name,
            kind: kind.into(),
            disabled: self.disabled,
            priority: self.priority,
            ..Source::default()
        }))
    }
}

impl ChannelDocument {
    fn into_resource(mut self, defaults: &Defaults) -> Result<Resource> {
        let name = format!("CHANNEL_KIND_{}", self.channel_kind.to_uppercase());
        let kind = ChannelKind::from_str_name(&name).ok_or_else(|| {
            unknown(&self.key, "channel_kind", &self.channel_kind, "smtp, webhook, wechat_oa, sandbox")
        })?;
        let rate = self.limits.remove("rate");
        if let Some(limit) = self.limits.keys().next() {
            return Err(unknown(&self.key, "limits", limit, "rate"));
        }
        Ok(Resource::Channel(Channel {
            settings: resolve(self.settings, defaults).map_err(|error| of(&self.key, &error))?,
            key: self.key,
            name: self.name,
            kind: kind.into(),
            limits: rate.map(|rate| Limits { rate }),
            ..Channel::default()
        }))
    }
}

impl TagDocument {
    fn into_resource(self) -> Result<Resource> {
        let ttl = self.ttl.map(|ttl| duration(&self.key, "ttl", &ttl)).transpose()?;
        Ok(Resource::Tag(Tag {
            key: self.key,
            name: self.name,
            group: self.group,
            exclusive: self.exclusive,
            ttl,
            owner: self.owner,
            condition: self.condition,
            ..Tag::default()
        }))
    }
}

/// Reads a length of time.
///
/// # Errors
/// [`kernel::Kind::Invalid`] that names the definition and the field.
pub(super) fn duration(key: &str, field: &str, text: &str) -> Result<prost_types::Duration> {
    let length =
        parse_duration(text).map_err(|description| Error::invalid(format!("{key}: {field}"), description))?;
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    Ok(prost_types::Duration { seconds, nanos: 0 })
}

fn of(key: &str, error: &Error) -> Error {
    Error::invalid(key, error.message.as_str())
}

/// A word that is none of those allowed.
pub(super) fn unknown(key: &str, field: &str, given: &str, allowed: &str) -> Error {
    Error::invalid(format!("{key}: {field}"), format!("`{given}` is none of {allowed}"))
}
