//! Webhooks: what is posted, how it is signed, which answers are tried again, where it may not go.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use wire::messaging::{ChannelKind, MessageState as State, TestChannelRequest};

use crate::receiver::Receiver;
use crate::sink::Sink;
use crate::wechat::{APP_ID, SECRET, Wechat};
use crate::world::{World, customer_id, request, somebody};

async fn ready() -> (World, Receiver) {
    let receiver = Receiver::start().await;
    let mut world = World::open().await;
    world.know(&[somebody(1, &["user_id=u1", "phone=13800138000"], json!({}))]);
    let settings = json!({ "url": receiver.url, "secret": "s3", "headers": { "x-team": "crm" } });
    world.channel("hook", ChannelKind::Webhook, settings, "").await;
    world.template("hello", "你好").await;
    (world, receiver)
}

#[tokio::test]
async fn the_body_is_signed_and_carries_everything() {
    let (mut world, receiver) = ready().await;
    let message = world.sent(request("key-1", 1, &["hook"], "hello")).await;
    assert_eq!(message.state(), State::Sent, "{message:?}");
    let posted = &receiver.posted()[0];
    let expected = json!({
        "message_id": message.message_id, "idempotency_key": "key-1", "customer_id": customer_id(1), "channel": "hook",
        "content": { "subject": "", "text": "你好", "html": "" },
        "identifiers": [{ "namespace": "user_id", "value": "u1" }, { "namespace": "phone", "value": "13800138000" }],
        "purpose": "service", "time": "2026-11-21T02:00:00Z",
    });
    assert_eq!(posted.json(), expected);
    assert_eq!((posted.header("idempotency-key"), posted.header("x-team")), ("key-1", "crm"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3").unwrap();
    mac.update(&posted.bytes);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(posted.header("x-guanxi-signature"), hex);
}

#[tokio::test]
async fn passing_answers_are_tried_again_when_the_receiver_asks_and_others_are_not() {
    let (mut world, receiver) = ready().await;
    receiver.will_answer(429, "600");
    receiver.will_answer(503, "");
    receiver.will_answer(410, "");
    let id = world.sent(request("k", 1, &["hook"], "hello")).await.message_id;
    let mut seen = Vec::new();
    // Retry-After of ten minutes beats the first wait; the second wait is five minutes.
    for minutes in [9, 1, 4, 1] {
        world.stage.advance(Duration::from_secs(minutes * 60)).await;
        seen.push(receiver.posted().len());
    }
    assert_eq!(seen, [1, 2, 2, 3]);
    let message = world.message(&id).await;
    let outcomes: Vec<&str> = message.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["HTTP_429", "HTTP_503", "HTTP_410"]);
    assert_eq!((message.state(), message.reason.as_str()), (State::Failed, "HTTP_410"));
    let keys: Vec<String> =
        receiver.posted().iter().map(|posted| posted.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, ["k", "k", "k"]);
}

#[tokio::test]
async fn private_networks_are_out_of_reach_unless_allowed() {
    let (mut world, receiver) = ready().await;
    let tested =
        world.api.test_channel(TestChannelRequest { key: "hook".into() }).await.unwrap().into_inner();
    assert!(tested.ok, "{}", tested.message);
    // A channel can say no where the operator says yes.
    let settings = json!({ "url": receiver.url, "allow_private": false });
    world.channel("narrow", ChannelKind::Webhook, settings, "").await;
    let message = world.sent(request("a", 1, &["narrow"], "hello")).await;
    assert_eq!((message.state(), message.reason.as_str()), (State::Failed, "ADDRESS_NOT_ALLOWED"));
    assert_eq!(receiver.posted().len(), 0);
}

#[tokio::test]
async fn no_channel_leads_where_the_operator_does_not_allow_it() {
    let mut world = World::open_with(&["messaging.outbound.allow_private=never"]).await;
    let (receiver, sink, wechat) =
        (Receiver::start().await, Sink::start().await, Wechat::start(&world).await);
    world.know(&[somebody(1, &["email=lilei@example.cn"], json!({}))]);
    world.template("hello", "你好").await;
    let port = |url: &str| url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let named = format!("http://localhost:{}/x", port(&receiver.url));
    let mail =
        |host: &str| json!({ "host": host, "port": sink.port, "from": "a@example.com", "tls": "none" });
    let mapped = wechat.base.replace("127.0.0.1", "[::ffff:7f00:1]");
    let account = json!({ "app_id": APP_ID, "app_secret": SECRET, "base_url": mapped });
    let (hook, smtp, oa) = (ChannelKind::Webhook, ChannelKind::Smtp, ChannelKind::WechatOa);
    let ways = [
        ("url", hook, json!({ "url": receiver.url, "allow_private": true }), "ADDRESS_NOT_ALLOWED"),
        ("number", hook, json!({ "url": "http://0x7f000001:9/" }), "ADDRESS_NOT_ALLOWED"),
        // A name may lead elsewhere the next time.
        ("name", hook, json!({ "url": named }), "UNREACHABLE"),
        ("mail", smtp, mail("127.0.0.1"), "ADDRESS_NOT_ALLOWED"),
        ("mail-name", smtp, mail("localhost"), "ADDRESS_NOT_ALLOWED"),
        ("mail-short", smtp, mail("127.1"), "ADDRESS_NOT_ALLOWED"),
        ("oa", oa, account, "ADDRESS_NOT_ALLOWED"),
    ];
    for (key, kind, settings, reason) in ways {
        world.channel(key, kind, settings, "").await;
        let tested =
            world.api.test_channel(TestChannelRequest { key: key.into() }).await.unwrap().into_inner();
        assert!(
            !tested.ok && tested.message.contains("messaging.outbound.allow_private"),
            "{key}: {tested:?}"
        );
        if kind != oa {
            let message = world.sent(request(key, 1, &[key], "hello")).await;
            assert_eq!(message.attempts[0].outcome, reason, "{key}: {message:?}");
        }
    }
    assert_eq!((receiver.posted().len(), sink.mails().len()), (0, 0));
    assert_eq!(sink.kept.lock().unwrap().connections, 0);
    assert_eq!(wechat.requests("/cgi-bin/stable_token").await, 0);
}

/// An answer that names an address leads nowhere: nobody has judged that one.
#[tokio::test]
async fn no_answer_leads_elsewhere() {
    let (mut world, receiver) = ready().await;
    let elsewhere = Receiver::start().await;
    let base = receiver.url.trim_end_matches("/hook");
    let account = json!({ "app_id": APP_ID, "app_secret": SECRET, "base_url": base });
    world.channel("oa", ChannelKind::WechatOa, account, "").await;
    for status in [301, 302, 303, 307, 308] {
        receiver.will_send_to(status, &elsewhere.url);
        let message = world.sent(request(&format!("k{status}"), 1, &["hook"], "hello")).await;
        let outcome = format!("HTTP_{status}");
        assert_eq!((message.state(), &message.reason), (State::Failed, &outcome), "{message:?}");
        receiver.will_send_to(status, &elsewhere.url);
        let tested =
            world.api.test_channel(TestChannelRequest { key: "oa".into() }).await.unwrap().into_inner();
        assert!(!tested.ok && tested.message.contains(&outcome), "{tested:?}");
    }
    assert_eq!((receiver.posted().len(), elsewhere.posted().len()), (10, 0));
}

/// Who sets up a channel names the address, and could fill the memory of all others.
#[tokio::test]
async fn of_a_long_answer_no_more_is_read_than_answers_have() {
    let (mut world, receiver) = ready().await;
    let base = receiver.url.trim_end_matches("/hook");
    let account = json!({ "app_id": APP_ID, "app_secret": SECRET, "base_url": base });
    world.channel("oa", ChannelKind::WechatOa, account, "").await;
    let token = |pad: usize| json!({ "access_token": "t", "expires_in": 7_200, "pad": "x".repeat(pad) });
    receiver.will_say(token(100_000).to_string());
    let tested = world.api.test_channel(TestChannelRequest { key: "oa".into() }).await.unwrap().into_inner();
    assert!(!tested.ok && tested.message.contains("more than 65536 bytes"), "{tested:?}");
    receiver.will_say(token(60_000).to_string());
    let tested = world.api.test_channel(TestChannelRequest { key: "oa".into() }).await.unwrap().into_inner();
    assert!(tested.ok, "{tested:?}");
    // What a webhook says is not read at all.
    receiver.will_say("x".repeat(10 << 20));
    let message = world.sent(request("k", 1, &["hook"], "hello")).await;
    assert_eq!(message.state(), State::Sent, "{message:?}");
}
