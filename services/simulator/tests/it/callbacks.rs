//! Callbacks as the account's server sees them: signed, sealed, repeated.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use crate::envelope;
use crate::receiver::{Received, Turn};
use crate::world::{APP_ID, GH, TOKEN, World, openid};

/// Checks what is signed in the open and gives the elements by name.
fn elements(received: &Received) -> Vec<(String, String)> {
    let query = &received.query;
    assert_eq!(query["source"], "门店", "the URL's own query is kept");
    assert_eq!(query["signature"], envelope::sign(vec![TOKEN, &query["timestamp"], &query["nonce"]]));
    elements_of(&received.body)
}

fn elements_of(xml: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let element = |node: roxmltree::Node<'_, '_>| {
        (node.tag_name().name().to_owned(), node.text().unwrap_or_default().to_owned())
    };
    document.root_element().children().map(element).collect()
}

fn get<'a>(elements: &'a [(String, String)], name: &str) -> &'a str {
    elements.iter().find(|(element, _)| element == name).map_or("", |(_, value)| value)
}

fn sealed(received: &Received) -> String {
    let query = &received.query;
    let outer = elements_of(&received.body);
    let sealed = get(&outer, "Encrypt");
    assert_eq!(query["encrypt_type"], "aes");
    let signature = envelope::sign(vec![TOKEN, &query["timestamp"], &query["nonce"], sealed]);
    assert_eq!(query["msg_signature"], signature);
    envelope::open(sealed, APP_ID)
}

#[tokio::test]
async fn plain_events_and_messages() {
    let world = World::start("plain").await;
    let followed = world.act("follow", json!({ "scene": "store_上海" })).await;
    assert_eq!(followed["delivery"]["outcome"], "acknowledged");
    let fan = openid(&followed);
    assert!(fan.len() == 28 && fan.starts_with('o'));
    world.act("message", json!({ "openid": fan, "text": "有 <优惠> 吗?]]>&" })).await;
    world.act("menu_click", json!({ "openid": fan, "key": "V1_SALE" })).await;
    world.act("menu_click", json!({ "openid": fan, "key": "https://shop.example/双11" })).await;
    world.act("scan", json!({ "openid": fan, "scene": "123" })).await;
    world.act("unfollow", json!({ "openid": fan })).await;

    let received = world.receiver.take();
    assert!(received.iter().all(|r| r.method == Method::POST && r.query["openid"] == fan));
    assert!(received.iter().all(|r| !r.query.contains_key("encrypt_type") && !r.body.contains("Encrypt")));
    let all: Vec<_> = received.iter().map(elements).collect();
    assert!(all.iter().all(|e| get(e, "ToUserName") == GH && get(e, "FromUserName") == fan));
    assert!(all.iter().all(|e| get(e, "CreateTime") == world.clock.now().seconds().to_string()));
    let events: Vec<_> = all.iter().map(|e| (get(e, "Event"), get(e, "EventKey"))).collect();
    assert_eq!(
        events,
        [
            ("subscribe", "qrscene_store_上海"),
            ("", ""),
            ("CLICK", "V1_SALE"),
            ("VIEW", "https://shop.example/双11"),
            ("SCAN", "123"),
            ("unsubscribe", ""),
        ]
    );
    assert_eq!(get(&all[1], "MsgType"), "text");
    assert!(get(&all[1], "MsgId").parse::<i64>().unwrap() > 1 << 53);
    assert!(received[1].body.contains("有 <优惠> 吗?]]]]><![CDATA[>&"));
}

#[tokio::test]
async fn safe_mode_shows_nothing_in_the_open() {
    let world = World::start("safe").await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    let received = world.receiver.take().remove(0);
    let outer: Vec<_> = elements(&received).into_iter().map(|(name, _)| name).collect();
    assert_eq!(outer, ["ToUserName", "Encrypt"]);
    let inner = elements_of(&sealed(&received));
    assert_eq!((get(&inner, "FromUserName"), get(&inner, "Content")), (fan.as_str(), "你好"));
}

#[tokio::test]
async fn compat_mode_says_it_twice() {
    let world = World::start("compat").await;
    world.act("follow", json!({})).await;
    let received = world.receiver.take().remove(0);
    let mut outer = elements(&received);
    assert_eq!(outer.pop().unwrap().0, "Encrypt");
    assert_eq!(outer, elements_of(&sealed(&received)));
    assert_eq!(get(&outer, "Event"), "subscribe");
}

#[tokio::test]
async fn three_attempts_each_signed_anew_with_the_same_message() {
    let world = World::start_with("safe", Duration::from_secs(1)).await;
    world.receiver.script([Turn::Hang, Turn::Answer(500, String::new())]);
    let answer = world.act("message", json!({ "text": "在吗" })).await;
    assert_eq!(answer["delivery"]["outcome"], "acknowledged");
    let attempts = answer["delivery"]["attempts"].as_array().unwrap();
    let errors: Vec<_> = attempts.iter().map(|attempt| attempt["error"].as_str().unwrap()).collect();
    assert_eq!(errors, ["no answer in time", "HTTP 500", ""]);
    let received = world.receiver.take();
    let messages: Vec<_> = received.iter().map(sealed).collect();
    assert!(messages.len() == 3 && messages.iter().all(|message| *message == messages[0]));
    assert_ne!(received[0].query["nonce"], received[1].query["nonce"]);

    world.receiver.script(std::iter::repeat_n(Turn::Answer(502, String::new()), 5));
    let answer = world.act("message", json!({ "text": "在吗" })).await;
    assert_eq!(answer["delivery"]["outcome"], "failed");
    assert_eq!(world.receiver.take().len(), 3, "never a fourth");
}

#[tokio::test]
async fn duplicates_are_the_same_message() {
    let world = World::start("plain").await;
    let answer = world.act("message", json!({ "text": "下单", "duplicate": 2 })).await;
    assert_eq!(answer["duplicates"].as_array().unwrap().len(), 2);
    let received = world.receiver.take();
    assert!(received.len() == 3 && received.iter().all(|r| r.body == received[0].body));
    assert_eq!(world.get("/_sim/deliveries").await["deliveries"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_url_is_verified_by_echo_and_tried_once() {
    let world = World::start("safe").await;
    world.receiver.script([
        Turn::Echo,
        Turn::Answer(200, "\"quoted\"".into()),
        Turn::Answer(500, String::new()),
    ]);
    assert_eq!(world.act("verify_url", json!({})).await["delivery"]["outcome"], "acknowledged");
    let received = world.receiver.take();
    assert_eq!(received[0].method, Method::GET);
    let query = &received[0].query;
    assert_eq!(query["signature"], envelope::sign(vec![TOKEN, &query["timestamp"], &query["nonce"]]));
    assert_eq!(world.act("verify_url", json!({})).await["delivery"]["outcome"], "failed");
    assert_eq!(world.act("verify_url", json!({})).await["delivery"]["outcome"], "failed");
    assert_eq!(world.receiver.take().len(), 2);
}
