//! Channels are kept, changed, listed and refused.

use serde_json::json;
use wire::messaging as pb;
use wire::messaging::ChannelKind as Kind;

use crate::world::{World, channel, violations};

#[tokio::test]
async fn every_mistake_is_a_violation_with_its_path() {
    let mut world = World::open().await;
    let wrong = channel("邮件", Kind::Smtp, json!({"host": "", "from": "x", "portt": 25}), "9/w");
    let refused =
        world.api.create_channel(pb::CreateChannelRequest { channel: Some(wrong) }).await.unwrap_err();
    let mut fields: Vec<String> = violations(&refused).into_iter().map(|(field, _)| field).collect();
    fields.sort();
    let expected = ["key", "limits.rate", "settings.from", "settings.host", "settings.portt"];
    assert_eq!(fields, expected.map(|field| format!("channel.{field}")));
    let none = pb::Channel { key: "x".into(), ..pb::Channel::default() };
    let refused =
        world.api.create_channel(pb::CreateChannelRequest { channel: Some(none) }).await.unwrap_err();
    assert_eq!(violations(&refused)[0].0, "channel.kind");
}

#[tokio::test]
async fn channels_are_made_once_listed_in_pages_and_deleted() {
    let mut world = World::open().await;
    for key in ["c", "a", "b"] {
        world.sandbox(key).await;
    }
    let again = pb::CreateChannelRequest { channel: Some(channel("a", Kind::Sandbox, json!({}), "")) };
    assert_eq!(world.api.create_channel(again).await.unwrap_err().code(), tonic::Code::AlreadyExists);
    let first = pb::ListChannelsRequest { page_size: 2, page_token: String::new() };
    let first = world.api.list_channels(first).await.unwrap().into_inner();
    let second = pb::ListChannelsRequest { page_size: 2, page_token: first.next_page_token };
    let second = world.api.list_channels(second).await.unwrap().into_inner();
    let keys: Vec<String> =
        first.channels.into_iter().chain(second.channels).map(|channel| channel.key).collect();
    assert_eq!((keys.join(""), second.next_page_token.as_str()), ("abc".to_owned(), ""));
    world.api.delete_channel(pb::DeleteChannelRequest { key: "a".into() }).await.unwrap();
    let gone = world.api.get_channel(pb::GetChannelRequest { key: "a".into() }).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
    let gone = world.api.delete_channel(pb::DeleteChannelRequest { key: "a".into() }).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn an_update_replaces_settings_and_keeps_the_kind() {
    let mut world = World::open().await;
    world
        .channel("hook", Kind::Webhook, json!({"url": "https://a.example/x", "allow_private": true}), "5/s")
        .await;
    let other = channel("hook", Kind::Sandbox, json!({}), "");
    let refused =
        world.api.update_channel(pb::UpdateChannelRequest { channel: Some(other) }).await.unwrap_err();
    assert_eq!(violations(&refused)[0].0, "channel.kind");
    let next = channel("hook", Kind::Unspecified, json!({"url": "https://b.example/y"}), "");
    let updated = world.api.update_channel(pb::UpdateChannelRequest { channel: Some(next) }).await.unwrap();
    let updated = updated.into_inner().channel.unwrap();
    let settings = serde_json::Value::Object(chassis::values::from_struct(updated.settings.unwrap()));
    assert_eq!(settings, json!({"url": "https://b.example/y"}));
    assert_eq!((updated.kind, updated.limits), (Kind::Webhook.into(), None));
}
