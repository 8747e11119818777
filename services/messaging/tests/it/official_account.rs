//! A WeChat Official Account against the platform simulator: tokens, reply windows, refusals.

use std::time::Duration;

use serde_json::json;
use wire::messaging::{ChannelKind, MessageState as State};

use crate::wechat::{APP_ID, Wechat, openid};
use crate::world::{World, request, somebody};

const SEND: &str = "/cgi-bin/message/custom/send";
const TOKEN: &str = "/cgi-bin/stable_token";

async fn ready() -> (World, Wechat) {
    let mut world = World::open().await;
    let wechat = Wechat::start(&world).await;
    let person =
        |n: u32| somebody(n, &[&format!("wechat.openid:{APP_ID}={}", openid(n))], json!({"name": "张伟"}));
    world.know(&(1..=20).map(person).collect::<Vec<_>>());
    world.channel("oa", ChannelKind::WechatOa, wechat.settings(), "").await;
    world.sandbox("box").await;
    world.template("hello", "感谢关注,\n{{ profile.name }}!\u{7}").await;
    (world, wechat)
}

#[tokio::test]
async fn a_new_follower_is_greeted_within_the_minute_and_not_half_an_hour_later() {
    let (mut world, mut wechat) = ready().await;
    wechat.act(&world, 1, "follow", "wechat.subscribed").await;
    let greeted = world.sent(request("a", 1, &["oa", "box"], "hello")).await;
    assert_eq!((greeted.state(), greeted.channel.as_str()), (State::Sent, "oa"), "{greeted:?}");
    assert_eq!(wechat.sent(1).await, ["感谢关注,\n张伟!"]);
    wechat.advance(&world, Duration::from_secs(1_800)).await;
    let late = world.sent(request("b", 1, &["oa", "box"], "hello")).await;
    assert_eq!((late.state(), late.channel.as_str()), (State::Sent, "box"));
    assert_eq!(late.attempts[0].outcome, "outside_reply_window");
    let alone = world.sent(request("c", 1, &["oa"], "hello")).await;
    assert_eq!((alone.state(), alone.reason.as_str()), (State::Suppressed, "outside_reply_window"));
    // The platform was not even asked.
    assert_eq!(wechat.requests(SEND).await, 1);
}

#[tokio::test]
async fn windows_are_counted_and_what_was_not_taken_is_given_back() {
    let (mut world, mut wechat) = ready().await;
    wechat.act(&world, 1, "follow", "wechat.subscribed").await;
    wechat.act(&world, 1, "message", "message_replied").await;
    wechat.control("faults", json!({ "path": SEND, "errcode": -1, "times": 1 })).await;
    let busy = world.sent(request("busy", 1, &["oa"], "hello")).await;
    assert_eq!((busy.state(), busy.attempts[0].outcome.as_str()), (State::Deferred, "WECHAT_-1"));
    // Three on following, five on the reply: the refused one did not count, and takes its turn after a minute.
    for n in 0..8 {
        let message = world.sent(request(&format!("k{n}"), 1, &["oa"], "hello")).await;
        assert_eq!(message.state(), State::Sent, "{n}: {message:?}");
    }
    let ninth = world.sent(request("k8", 1, &["oa", "box"], "hello")).await;
    assert_eq!((ninth.channel.as_str(), wechat.sent(1).await.len()), ("box", 8));
    wechat.act(&world, 1, "menu_click", "wechat.menu_clicked").await;
    let clicked = world.sent(request("k9", 1, &["oa"], "hello")).await;
    assert_eq!((clicked.state(), wechat.sent(1).await.len()), (State::Sent, 9));
}

#[tokio::test]
async fn the_platforms_own_word_counts() {
    let (mut world, mut wechat) = ready().await;
    // Our log says that the window is open; the platform, where nobody follows, says that it is not.
    wechat.act(&world, 1, "follow", "wechat.subscribed").await;
    wechat
        .control("wechat_oa/actions", json!({ "app_id": APP_ID, "action": "unfollow", "openid": openid(1) }))
        .await;
    let message = world.sent(request("a", 1, &["oa", "box"], "hello")).await;
    assert_eq!((message.state(), message.channel.as_str()), (State::Sent, "box"), "{message:?}");
    assert_eq!(message.attempts[0].outcome, "WECHAT_45015");
    assert!(message.attempts[0].detail.contains("rid"), "{}", message.attempts[0].detail);
    let next = world.sent(request("b", 1, &["oa", "box"], "hello")).await;
    assert_eq!(next.attempts[0].outcome, "outside_reply_window");
    wechat.happened(&world, 1, "wechat.subscribed").await;
    wechat.happened(&world, 1, "wechat.unsubscribed").await;
    let gone = world.sent(request("c", 1, &["oa", "box"], "hello")).await;
    assert_eq!(gone.attempts[0].outcome, "outside_reply_window");
}

#[tokio::test]
async fn one_token_serves_all_and_is_refreshed_once_when_refused() {
    let (mut world, mut wechat) = ready().await;
    for n in 1..=20 {
        wechat.act(&world, n, "follow", "wechat.subscribed").await;
    }
    let requests = (1..=20).map(|n| request(&format!("k{n}"), n, &["oa"], "hello")).collect();
    world.api.send_messages(wire::messaging::SendMessagesRequest { requests }).await.unwrap();
    world.stage.settled().await;
    assert_eq!((wechat.requests(SEND).await, wechat.requests(TOKEN).await), (20, 1));
    for (n, code) in [(1, 40001), (2, 40014), (3, 42001)] {
        wechat.control("faults", json!({ "path": SEND, "errcode": code, "times": 1 })).await;
        let message = world.sent(request(&format!("r{n}"), n, &["oa"], "hello")).await;
        assert_eq!((message.state(), message.attempts.len()), (State::Sent, 1), "{message:?}");
    }
    wechat.control("faults", json!({ "path": SEND, "errcode": 40001, "times": 2 })).await;
    let stuck = world.sent(request("stuck", 4, &["oa"], "hello")).await;
    assert_eq!((stuck.state(), stuck.attempts[0].outcome.as_str()), (State::Deferred, "WECHAT_40001"));
    // Two hours later the token has run out: a new one is fetched without a refusal.
    wechat.advance(&world, Duration::from_secs(7_200)).await;
    wechat.act(&world, 5, "message", "message_replied").await;
    let later = world.sent(request("later", 5, &["oa"], "hello")).await;
    assert_eq!((later.state(), later.attempts.len()), (State::Sent, 1), "{later:?}");
}

#[tokio::test]
async fn a_lost_answer_is_not_taken_for_a_refusal() {
    let (mut world, mut wechat) = ready().await;
    wechat.act(&world, 1, "message", "message_replied").await;
    wechat
        .control("faults", json!({ "path": SEND, "invalid_json": true, "times": 1, "processed": true }))
        .await;
    let lost = world.sent(request("a", 1, &["oa", "box"], "hello")).await;
    assert_eq!((lost.state(), lost.reason.as_str()), (State::Unknown, "OUTCOME_UNKNOWN"), "{lost:?}");
    wechat.control("faults", json!({ "path": SEND, "http_status": 502, "times": 1 })).await;
    let unwell = world.sent(request("b", 1, &["oa"], "hello")).await;
    assert_eq!((unwell.state(), unwell.attempts[0].outcome.as_str()), (State::Deferred, "HTTP_502"));
    wechat.advance(&world, Duration::from_secs(60)).await;
    assert_eq!(wechat.sent(1).await.len(), 2);
}
