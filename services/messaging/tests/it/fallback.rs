//! Channels in order of preference.

use serde_json::json;
use wire::messaging::{ChannelKind, DeleteChannelRequest, MessageState as State};

use crate::receiver::Receiver;
use crate::sink::Sink;
use crate::world::{World, request, somebody};

async fn ready() -> (World, Sink, Receiver) {
    let (sink, receiver) = (Sink::start().await, Receiver::start().await);
    let mut world = World::open().await;
    let mut people = vec![
        somebody(1, &[], json!({})),
        somebody(2, &["email=550.x@example.cn"], json!({})),
        somebody(3, &[], json!({"email": "attr@example.cn"})),
        somebody(4, &["email=new@example.cn"], json!({})),
        somebody(5, &["email=kept@example.cn"], json!({"name": "王芳"})),
    ];
    people[3].new = true;
    people[4].aliases.push(crate::world::customer_id(6));
    world.know(&people);
    let mail = json!({ "host": "127.0.0.1", "port": sink.port, "from": "a@example.com", "tls": "none" });
    world.channel("mail", ChannelKind::Smtp, mail, "").await;
    world.channel("hook", ChannelKind::Webhook, json!({ "url": receiver.url }), "").await;
    world.template("hello", "你好{{ profile.name | default('') }}").await;
    (world, sink, receiver)
}

#[tokio::test]
async fn who_cannot_be_reached_on_one_channel_is_reached_on_the_next() {
    let (mut world, sink, receiver) = ready().await;
    let no_address = world.sent(request("a", 1, &["mail", "hook"], "hello")).await;
    let refused = world.sent(request("b", 2, &["mail", "hook"], "hello")).await;
    for message in [&no_address, &refused] {
        assert_eq!((message.state(), message.channel.as_str()), (State::Sent, "hook"), "{message:?}");
    }
    assert_eq!(no_address.attempts[0].outcome, "no_address");
    assert_eq!(refused.attempts[0].outcome, "SMTP_550");
    assert_eq!((sink.mails().len(), receiver.posted().len()), (0, 2));
}

#[tokio::test]
async fn without_any_way_a_message_is_suppressed() {
    let (mut world, _sink, _receiver) = ready().await;
    let message = world.sent(request("a", 1, &["mail"], "hello")).await;
    assert_eq!((message.state(), message.reason.as_str()), (State::Suppressed, "no_address"));
    let last = world.facts().await.pop().unwrap();
    assert_eq!((last.0.as_str(), last.1["reason"].as_str()), ("message.suppressed", Some("no_address")));
}

#[tokio::test]
async fn addresses_come_from_attributes_from_identity_and_from_the_survivor() {
    let (mut world, sink, _receiver) = ready().await;
    for n in [3, 4] {
        let message = world.sent(request(&format!("k{n}"), n, &["mail"], "hello")).await;
        assert_eq!(message.state(), State::Sent, "{message:?}");
    }
    let absorbed = world.sent(request("k6", 6, &["mail"], "hello")).await;
    assert_eq!(absorbed.content.unwrap().text, "你好王芳");
    let recipients: Vec<String> = sink.mails().into_iter().map(|(recipient, _)| recipient).collect();
    assert_eq!(recipients, ["attr@example.cn", "new@example.cn", "kept@example.cn"]);
}

#[tokio::test]
async fn a_deleted_channel_is_passed_over() {
    let (mut world, sink, receiver) = ready().await;
    let waiting = world.sent(request("w", 1, &["hook"], "hello")).await;
    assert_eq!(waiting.state(), State::Sent);
    receiver.will_answer(503, "");
    let id = world.sent(request("a", 5, &["hook", "mail"], "hello")).await.message_id;
    world.api.delete_channel(DeleteChannelRequest { key: "hook".into() }).await.unwrap();
    world.stage.advance(std::time::Duration::from_secs(60)).await;
    let message = world.message(&id).await;
    assert_eq!((message.state(), message.channel.as_str()), (State::Sent, "mail"), "{message:?}");
    assert_eq!(sink.mails().len(), 1);
}
