//! Messages as the audit log shows them: JSON without what follows from other things, and with secrets hidden. The one
//! place where that is done, by options of the fields (`proto/guanxi/audit/v1/option.proto`).

use kernel::{Error, Result};
use prost::Name;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    SerializeOptions, Value,
};
use serde_json::{Map, Value as Json};

/// Stands for a secret …
const HIDDEN: &str = "[hidden]";
/// … that was another one before.
const CHANGED: &str = "[hidden, changed]";

/// A thing before and after, as JSON.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// `None` when nothing changed. That is judged before secrets are hidden.
pub(super) fn pair<M: Name>(
    pool: &DescriptorPool,
    before: Option<&M>,
    after: Option<&M>,
) -> Result<Option<Shown>> {
    let form = Form::of(pool, &M::full_name())?;
    let before = before.map(|message| form.plain(message)).transpose()?;
    let after = after.map(|message| form.plain(message)).transpose()?;
    if before == after {
        return Ok(None);
    }
    let hidden = |json: &Json, former: Option<&Json>| form.hidden(json.clone(), former).to_string();
    Ok(Some(Shown {
        after: after.as_ref().map(|json| hidden(json, before.as_ref())),
        before: before.as_ref().map(|json| hidden(json, None)),
    }))
}

/// How messages of one type are shown.
struct Form {
    message: MessageDescriptor,
    secret: ExtensionDescriptor,
    secrets: ExtensionDescriptor,
    derived: ExtensionDescriptor,
}

impl Form {
    fn of(pool: &DescriptorPool, name: &str) -> Result<Self> {
        let missing =
            || Error::internal(format!("the descriptors lack {name} or the options of the audit log"));
        let option = |name| pool.get_extension_by_name(name).ok_or_else(missing);
        Ok(Self {
            message: pool.get_message_by_name(name).ok_or_else(missing)?,
            secret: option("guanxi.audit.v1.secret")?,
            secrets: option("guanxi.audit.v1.secrets")?,
            derived: option("guanxi.audit.v1.derived")?,
        })
    }

    /// With secrets, which it is compared by.
    fn plain<M: Name>(&self, message: &M) -> Result<Json> {
        let misfit = |cause| Error::internal("a message does not fit its descriptor").caused_by(cause);
        let message = DynamicMessage::decode(self.message.clone(), message.encode_to_vec().as_slice())
            .map_err(misfit)?;
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let mut json = message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|cause| Error::internal("a message cannot be written as JSON").caused_by(cause))?;
        walk(&self.message, &mut json, None, &|field, members, _| {
            if self.says(field, &self.derived) {
                members.remove(field.name());
            }
        });
        Ok(json)
    }

    fn hidden(&self, mut json: Json, former: Option<&Json>) -> Json {
        walk(&self.message, &mut json, former, &|field, members, former| {
            let Some(value) = members.get_mut(field.name()) else { return };
            if self.says(field, &self.secret) {
                hide(value, former);
            }
            for name in self.names(field) {
                if let Some(value) = value.get_mut(&name) {
                    hide(value, former.and_then(|former| former.get(&name)));
                }
            }
        });
        json
    }

    fn says(&self, field: &FieldDescriptor, option: &ExtensionDescriptor) -> bool {
        field.options().get_extension(option).as_bool().unwrap_or(false)
    }

    /// Members of a `Struct` that are secret.
    fn names(&self, field: &FieldDescriptor) -> Vec<String> {
        let options = field.options();
        let names = options.get_extension(&self.secrets);
        let names = names.as_list().unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn hide(value: &mut Json, former: Option<&Json>) {
    let changed = former.is_some_and(|former| former != value);
    *value = if changed { CHANGED } else { HIDDEN }.into();
}

/// Does `act` at every field of ours there is, with what stood at the same place in `other`.
fn walk(
    of: &MessageDescriptor,
    json: &mut Json,
    other: Option<&Json>,
    act: &impl Fn(&FieldDescriptor, &mut Map<String, Json>, Option<&Json>),
) {
    let Json::Object(members) = json else { return };
    for field in of.fields() {
        let other = other.and_then(|other| other.get(field.name()));
        act(&field, members, other);
        let (Some(inner), Some(value)) = (message_of(&field), members.get_mut(field.name())) else {
            continue;
        };
        match value {
            Json::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    walk(&inner, item, other.and_then(|other| other.get(at)), act);
                }
            }
            Json::Object(entries) if field.is_map() => {
                for (key, item) in entries {
                    walk(&inner, item, other.and_then(|other| other.get(key)), act);
                }
            }
            one => walk(&inner, one, other, act),
        }
    }
}

/// The type of a field's messages; types of protobuf itself are values.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let kind = match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    };
    match kind {
        Kind::Message(inner) if !inner.full_name().starts_with("google.") => Some(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::messaging::{Channel, ChannelKind};
    use wire::segmentation::{Segment, Tier, TierSet};

    use super::*;
    use crate::values::to_struct;

    fn channel(settings: Json) -> Channel {
        let Json::Object(settings) = settings else { unreachable!() };
        Channel {
            key: "mail".to_owned(),
            kind: ChannelKind::Smtp.into(),
            settings: Some(to_struct(settings)),
            ..Channel::default()
        }
    }

    fn shown<M: Name>(before: Option<&M>, after: Option<&M>) -> Option<(Json, Json)> {
        let pool = DescriptorPool::decode(wire::DESCRIPTORS).unwrap();
        let read =
            |text: Option<String>| text.map_or(Json::Null, |text| serde_json::from_str(&text).unwrap());
        pair(&pool, before, after).unwrap().map(|shown| (read(shown.before), read(shown.after)))
    }

    #[test]
    fn secrets_are_hidden_and_a_change_of_one_is_said() {
        let before = channel(json!({"host": "mx.example.com", "username": "a", "password": "旧密码"}));
        let after = channel(json!({"host": "mx.example.com", "username": "a", "password": "新密码"}));
        let (told_before, told_after) = shown(Some(&before), Some(&after)).unwrap();
        let told = |password: &str| {
            let settings = json!({"host": "mx.example.com", "username": "a", "password": password});
            json!({"key": "mail", "kind": "CHANNEL_KIND_SMTP", "settings": settings})
        };
        assert_eq!((told_before, told_after), (told("[hidden]"), told("[hidden, changed]")));
        let (_, created) = shown(None, Some(&before)).unwrap();
        assert_eq!(created, told("[hidden]"));
        let headers =
            channel(json!({"url": "https://x.cn", "headers": {"authorization": "密"}, "secret": "密"}));
        assert!(!shown(None, Some(&headers)).unwrap().1.to_string().contains('密'));
    }

    #[test]
    fn what_follows_from_other_things_is_no_change() {
        let segment = |name: &str, size| Segment {
            key: "silent".to_owned(),
            name: name.to_owned(),
            size,
            updated_at: Some(prost_types::Timestamp { seconds: size, nanos: 0 }),
            ..Segment::default()
        };
        assert!(shown(Some(&segment("沉睡", 1)), Some(&segment("沉睡", 2))).is_none());
        let (before, after) = shown(Some(&segment("沉睡", 1)), Some(&segment("沉睡客户", 1))).unwrap();
        assert_eq!(before, json!({"key": "silent", "name": "沉睡"}));
        assert_eq!(after, json!({"key": "silent", "name": "沉睡客户"}));
        let (before, after) = shown(Some(&segment("沉睡", 1)), None).unwrap();
        assert_eq!((before, after), (json!({"key": "silent", "name": "沉睡"}), Json::Null));
    }

    #[test]
    fn lists_of_messages_are_shown() {
        let tier = Tier { key: "high".to_owned(), name: "高价值".to_owned(), ..Tier::default() };
        let tiers = TierSet { key: "value".to_owned(), tiers: vec![tier], state: 2, ..TierSet::default() };
        let (_, after) = shown(None, Some(&tiers)).unwrap();
        assert_eq!(after, json!({"key": "value", "tiers": [{"key": "high", "name": "高价值"}]}));
    }
}
