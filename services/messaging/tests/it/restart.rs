//! What a process that died left behind, in every state.

use std::collections::BTreeMap;

use messaging::Messaging;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use store::Tenant;
use wire::messaging::{ChannelKind, MessageState as State};

use crate::receiver::Receiver;
use crate::sink::Sink;
use crate::wechat::Wechat;
use crate::world::{World, request, somebody};

/// As if the process had died at that point.
async fn force(world: &World, sql: &str) {
    let db = world.stage.database::<Messaging>().await.unwrap();
    let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
    unit.db().execute_unprepared(sql).await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn only_what_may_be_repeated_is_repeated() {
    let mut world = World::open().await;
    let (sink, receiver, wechat) =
        (Sink::start().await, Receiver::start().await, Wechat::start(&world).await);
    world.know(&[somebody(1, &["email=a@example.cn"], json!({}))]);
    let mail = json!({ "host": "127.0.0.1", "port": sink.port, "from": "a@example.com", "tls": "none" });
    world.channel("mail", ChannelKind::Smtp, mail, "").await;
    world.channel("hook", ChannelKind::Webhook, json!({ "url": receiver.url }), "").await;
    world.channel("oa", ChannelKind::WechatOa, wechat.settings(), "").await;
    world.sandbox("box").await;
    world.template("hello", "你好").await;
    let mut ids = BTreeMap::new();
    for key in ["mail", "hook", "oa", "box"] {
        ids.insert(key, world.sent(request(key, 1, &[key], "hello")).await.message_id);
    }
    // The mail and the post went out; the answers were lost with the process.
    force(&world, "update message set state = 'sending', due_at = null, sent_at = null, attempts = '[]'")
        .await;
    let mut world = world.reopen().await;
    world.stage.settled().await;
    let expected =
        [("mail", State::Unknown), ("hook", State::Sent), ("oa", State::Unknown), ("box", State::Sent)];
    for (key, state) in expected {
        assert_eq!(world.message(&ids[key]).await.state(), state, "{key}");
    }
    assert_eq!((sink.mails().len(), receiver.posted().len(), wechat.sent(1).await.len()), (1, 2, 0));
    let keys: Vec<String> =
        receiver.posted().iter().map(|posted| posted.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, ["hook", "hook"]);
    world.stage.advance(std::time::Duration::from_secs(86_400)).await;
    assert_eq!((sink.mails().len(), receiver.posted().len()), (1, 2));
}

#[tokio::test]
async fn what_waits_goes_on_and_what_has_ended_stays() {
    let mut world = World::open().await;
    let receiver = Receiver::start().await;
    world.know(&[somebody(1, &[], json!({}))]);
    world.channel("hook", ChannelKind::Webhook, json!({ "url": receiver.url }), "").await;
    world.template("hello", "你好").await;
    let states = ["queued", "deferred", "sent", "failed", "suppressed", "unknown"];
    let mut ids = Vec::new();
    for state in states {
        ids.push(world.sent(request(state, 1, &["hook"], "hello")).await.message_id);
    }
    let now = world.stage.warp.now();
    let due = now.plus(std::time::Duration::from_secs(300)).0;
    force(
        &world,
        &format!(
            "update message set state = idempotency_key, due_at = null;
             update message set due_at = {} where state = 'queued';
             update message set due_at = {due} where state = 'deferred'",
            now.0
        ),
    )
    .await;
    let mut world = world.reopen().await;
    world.stage.settled().await;
    assert_eq!(receiver.posted().len(), 7);
    assert_eq!(world.message(&ids[1]).await.state(), State::Deferred);
    world.stage.advance(std::time::Duration::from_secs(300)).await;
    assert_eq!(receiver.posted().len(), 8);
    let mut after = Vec::new();
    for id in &ids {
        after.push(world.message(id).await.state());
    }
    use State::{Failed, Sent, Suppressed, Unknown};
    assert_eq!(after, [Sent, Sent, Sent, Failed, Suppressed, Unknown]);
}
