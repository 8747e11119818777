//! Messages and events of an Official Account as events of ours.

use kernel::Time;
use prost_types::Struct;
use serde_json::{Map, Value, json};
use wire::event::{Context, Event};

use super::document::Document;
use super::signature::sign;
use crate::domain::identifiers::identifier;
use crate::domain::name::snake_case;
use crate::domain::source::Source;

/// Of messages that bear it; the channel of all events of this kind of source.
const CHANNEL: &str = "wechat_oa";
/// What an event key of a follow by QR code begins with; the scene follows.
const SCENE_PREFIX: &str = "qrscene_";
/// Fields that are in the envelope of every message and not properties of the event.
const COMMON: [&str; 6] = ["ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "Encrypt"];

/// The event that a message becomes. Its id is the platform's key for repeated deliveries, so that they collapse.
pub(crate) fn translate(document: &Document, source: &Source, trace_parent: &str) -> Event {
    let app_id = source.setting("app_id");
    let (name, properties) = match document.text("MsgType").as_str() {
        "event" => happening(document),
        kind => ("message_replied".to_owned(), message(document, kind)),
    };
    let openid = document.text("FromUserName");
    let mut identifiers = vec![identifier(format!("wechat.openid:{app_id}"), openid)];
    identifiers.push(identifier("wechat.unionid", document.text("UnionId")));
    Event {
        id: id(document, app_id),
        name,
        time: document.text("CreateTime").parse().ok().map(|seconds| Time::from_seconds(seconds).into()),
        identifiers,
        properties: Some(clean(properties)),
        context: Some(Context {
            source_key: source.key.clone(),
            source_priority: source.priority,
            channel: CHANNEL.to_owned(),
            ..Context::default()
        }),
        trace_parent: trace_parent.to_owned(),
        ..Event::default()
    }
}

/// `MsgId` of messages; of events sender, second, name and key: two different events of one second stay two.
/// Source: platforms.md 1.3.
fn id(document: &Document, app_id: &str) -> String {
    let message = document.text("MsgId");
    if document.text("MsgType") != "event" && !message.is_empty() && message.len() <= 40 {
        return format!("wx-{app_id}-{message}");
    }
    let parts = ["FromUserName", "CreateTime", "Event", "EventKey", "MsgId"].map(|name| document.text(name));
    format!("wx-{app_id}-{}", sign(&[&parts.join("\n")]))
}

/// Names come in both cases (`subscribe`, `SCAN`).
fn happening(document: &Document) -> (String, Map<String, Value>) {
    let key = document.text("EventKey");
    let (name, properties) = match document.text("Event").to_ascii_lowercase().as_str() {
        "subscribe" => {
            let scene = key.strip_prefix(SCENE_PREFIX).unwrap_or("");
            ("subscribed", json!({"scene": scene, "ticket": document.text("Ticket"), "event_key": key}))
        }
        "unsubscribe" => ("unsubscribed", json!({})),
        "scan" => ("scanned", json!({"scene": key, "ticket": document.text("Ticket")})),
        "click" => ("menu_clicked", json!({"key": key})),
        "view" => ("menu_viewed", json!({"url": key, "menu_id": document.text("MenuId")})),
        other => return (format!("wechat.{}", snake_case(&other.replace('.', "_"))), rest(document)),
    };
    (format!("wechat.{name}"), properties.as_object().cloned().unwrap_or_default())
}

/// What somebody wrote, said or showed.
fn message(document: &Document, kind: &str) -> Map<String, Value> {
    let mut properties = rest(document);
    let text = match kind {
        "text" => document.text("Content"),
        "voice" => document.text("Recognition"),
        _ => String::new(),
    };
    properties.remove("content");
    properties.insert("text".to_owned(), text.into());
    properties.insert("msg_type".to_owned(), kind.into());
    properties.insert("msg_id".to_owned(), document.text("MsgId").into());
    properties
}

/// All other fields, in snake case.
fn rest(document: &Document) -> Map<String, Value> {
    let own = document.fields.iter().filter(|(name, _)| !COMMON.contains(&name.as_str()));
    own.map(|(name, value)| (field_name(name), renamed(value))).collect()
}

fn renamed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (field_name(name), renamed(value))).collect()
        }
        Value::Array(list) => list.iter().map(renamed).collect(),
        other => other.clone(),
    }
}

/// `MsgID` and `MsgId` are one name.
fn field_name(given: &str) -> String {
    snake_case(&given.replace("ID", "Id"))
}

fn clean(properties: Map<String, Value>) -> Struct {
    let said = properties.into_iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
    chassis::values::to_struct(said.collect())
}

#[cfg(test)]
mod tests {
    use kernel::Workspace;

    use super::*;
    use crate::domain::source::Kind;

    fn event(fields: Value) -> (String, Value, Event) {
        let mut document = Document { fields: fields.as_object().unwrap().clone() };
        for (name, value) in [("FromUserName", "oABC"), ("ToUserName", "gh_1"), ("CreateTime", "1714112445")]
        {
            document.fields.entry(name).or_insert_with(|| value.into());
        }
        let mut source = Source::built_in(Workspace::new("demo"), "oa", Kind::WechatOa);
        source.settings.insert("app_id".to_owned(), "wx12".into());
        let event = translate(&document, &source, "");
        (event.name.clone(), chassis::fact::properties(&event).into(), event)
    }

    fn happens(name: &str, key: &str) -> (String, Value, Event) {
        event(json!({"MsgType": "event", "Event": name, "EventKey": key, "Ticket": "T"}))
    }

    #[test]
    fn events_are_told_apart_whatever_their_case() {
        let (name, properties, event) = happens("subscribe", "qrscene_上海旗舰店");
        assert_eq!(name, "wechat.subscribed");
        assert_eq!(
            properties,
            json!({"scene": "上海旗舰店", "ticket": "T", "event_key": "qrscene_上海旗舰店"})
        );
        assert_eq!(event.identifiers[0], identifier("wechat.openid:wx12", "oABC"));
        assert_eq!(event.time.unwrap().seconds, 1_714_112_445);
        assert_eq!(event.context.unwrap().channel, "wechat_oa");
        for (given, key, name, properties) in [
            ("SCAN", "7", "wechat.scanned", json!({"scene": "7", "ticket": "T"})),
            ("CLICK", "新品", "wechat.menu_clicked", json!({"key": "新品"})),
            ("view", "https://a.cn", "wechat.menu_viewed", json!({"url": "https://a.cn"})),
            ("unsubscribe", "", "wechat.unsubscribed", json!({})),
            ("LOCATION", "", "wechat.location", json!({"ticket": "T"})),
        ] {
            assert_eq!((happens(given, key).0.as_str(), happens(given, key).1), (name, properties));
        }
    }

    #[test]
    fn messages_are_replies() {
        let (name, properties, event) = super::tests::event(
            json!({"MsgType": "text", "Content": "几点关门?", "MsgId": 4_561_255_354_251_345_929_u64}),
        );
        assert_eq!((name.as_str(), event.id.as_str()), ("message_replied", "wx-wx12-4561255354251345929"));
        assert_eq!(
            properties,
            json!({"text": "几点关门?", "msg_type": "text", "msg_id": "4561255354251345929"})
        );
        let (_, properties, _) = super::tests::event(
            json!({"MsgType": "image", "PicUrl": "http://p", "MediaId": "m", "MsgId": "9"}),
        );
        assert_eq!(
            properties,
            json!({"msg_type": "image", "msg_id": "9", "pic_url": "http://p", "media_id": "m"})
        );
    }

    #[test]
    fn repeated_deliveries_have_one_id_and_different_events_of_one_second_two() {
        assert_eq!(happens("CLICK", "a").2.id, happens("CLICK", "a").2.id);
        assert_ne!(happens("CLICK", "a").2.id, happens("CLICK", "b").2.id);
        assert_ne!(happens("CLICK", "a").2.id, happens("VIEW", "a").2.id);
        assert!(happens("CLICK", "a").2.id.len() <= 100);
    }

    #[test]
    fn events_nobody_foresaw_keep_their_fields() {
        let (name, properties, _) = event(json!({
            "MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": "200", "Status": "failed:user block",
            "ArticleUrlResult": {"ResultList": {"item": [{"ArticleIdx": "1"}]}},
        }));
        assert_eq!(name, "wechat.templatesendjobfinish");
        assert_eq!(properties["msg_id"], "200");
        assert_eq!(
            properties["article_url_result"],
            json!({"result_list": {"item": [{"article_idx": "1"}]}})
        );
    }
}
