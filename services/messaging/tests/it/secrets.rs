//! Secrets are used, and never seen again.

use serde_json::json;
use testkit::Lines;
use wire::messaging as pb;
use wire::messaging::{ChannelKind as Kind, MessageState as State};

use crate::receiver::Receiver;
use crate::sink::Sink;
use crate::wechat::{SECRET, Wechat};
use crate::world::{World, channel, request, somebody};

#[tokio::test]
async fn no_answer_and_no_log_line_shows_one() {
    let (lines, _logging) = Lines::collect(tracing::Level::TRACE);
    let mut world = World::open().await;
    let (sink, receiver, wechat) =
        (Sink::start().await, Receiver::start().await, Wechat::start(&world).await);
    world.know(&[somebody(1, &["email=a@example.cn"], json!({}))]);
    let mail = json!({
        "host": "127.0.0.1", "port": sink.port, "from": "a@example.com", "tls": "none",
        "username": "user", "password": "right-0ad1",
    });
    let hook = json!({ "url": receiver.url, "secret": "hook-77f3", "headers": { "authorization": "Bearer tok-91c2" } });
    world.channel("mail", Kind::Smtp, mail, "").await;
    world.channel("hook", Kind::Webhook, hook, "").await;
    world.channel("oa", Kind::WechatOa, wechat.settings(), "").await;
    world.template("hello", "你好").await;
    let mut shown = String::new();
    for key in ["mail", "hook", "oa"] {
        world.sent(request(key, 1, &[key], "hello")).await;
        let got =
            world.api.get_channel(pb::GetChannelRequest { key: key.into() }).await.unwrap().into_inner();
        let tested =
            world.api.test_channel(pb::TestChannelRequest { key: key.into() }).await.unwrap().into_inner();
        shown.push_str(&format!("{got:?}{tested:?}"));
    }
    let listed = world.api.list_channels(pb::ListChannelsRequest::default()).await.unwrap().into_inner();
    let messages = world.api.list_messages(pb::ListMessagesRequest::default()).await.unwrap().into_inner();
    shown.push_str(&format!("{listed:?}{messages:?}{:?}", world.facts().await));
    let log = lines.text();
    assert!(log.contains("hyper") || log.contains("h2"), "the log was looked at: {}", log.len());
    for secret in ["right-0ad1", "hook-77f3", "tok-91c2", SECRET] {
        assert!(!shown.contains(secret), "{secret} in an answer");
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn an_update_that_leaves_them_out_keeps_them() {
    let mut world = World::open().await;
    let receiver = Receiver::start().await;
    world.know(&[somebody(1, &[], json!({}))]);
    world.template("hello", "你好").await;
    let settings = json!({ "url": receiver.url, "secret": "hook-77f3" });
    world.channel("hook", Kind::Webhook, settings, "").await;
    for (key, secret, signed) in [("kept", json!({}), true), ("gone", json!({ "secret": null }), false)] {
        let mut settings = json!({ "url": receiver.url });
        settings.as_object_mut().unwrap().extend(secret.as_object().unwrap().clone());
        let next = channel("hook", Kind::Webhook, settings, "");
        world.api.update_channel(pb::UpdateChannelRequest { channel: Some(next) }).await.unwrap();
        let message = world.sent(request(key, 1, &["hook"], "hello")).await;
        assert_eq!(message.state(), State::Sent);
        let posted = receiver.posted().pop().unwrap();
        assert_eq!(!posted.header("x-guanxi-signature").is_empty(), signed, "{key}");
    }
}
