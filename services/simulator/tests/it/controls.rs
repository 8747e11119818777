//! The control side refuses what it does not understand, and the same seed gives the same people.

use serde_json::json;

use crate::world::{APP_ID, World, openid};

#[tokio::test]
async fn wrong_orders_are_refused_with_the_remedy() {
    let world = World::start("plain").await;
    let fan = openid(&world.act("follow", json!({})).await);
    let act = |rest: &str| format!(r#"{{"app_id":"{APP_ID}",{rest}}}"#);
    for (path, body, status, says) in [
        ("accounts", "{".to_owned(), 400, "body"),
        ("accounts", r#"{"app_id":"","secret":"s","token":"t"}"#.into(), 400, "app_id"),
        ("accounts", r#"{"app_id":"a","secret":"s","token":"t","mode":"safe"}"#.into(), 400, "aes_key"),
        (
            "accounts",
            r#"{"app_id":"a","secret":"s","token":"t","callback_url":"x"}"#.into(),
            400,
            "callback_url",
        ),
        ("accounts", r#"{"app_id":"a","secret":"s","token":"t","colour":"red"}"#.into(), 400, "colour"),
        ("actions", r#"{"app_id":"wxnone","action":"follow"}"#.into(), 404, "accounts"),
        ("actions", act(r#""action":"dance""#), 400, "dance"),
        ("actions", act(r#""action":"message""#), 400, "text"),
        ("actions", act(r#""action":"menu_click""#), 400, "key"),
        ("actions", act(r#""action":"scan""#), 400, "scene"),
        ("actions", act(r#""action":"follow","openid":"a&b""#), 400, "openid"),
        ("actions", act(r#""action":"follow","at":"yesterday""#), 400, "yesterday"),
        ("actions", act(&format!(r#""action":"follow","openid":"{fan}""#)), 409, "follows already"),
    ] {
        let (got, answer) = world.post(&format!("/_sim/wechat_oa/{path}"), body.clone()).await;
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer.contains(says), "{body}: {answer}");
    }
    world.act("unfollow", json!({ "openid": fan })).await;
    let (status, _) =
        world.post("/_sim/wechat_oa/actions", act(&format!(r#""action":"unfollow","openid":"{fan}""#))).await;
    assert_eq!(status, 409);
    assert_eq!(world.post("/_sim/faults", r#"{"path":"/cgi-bin/token"}"#).await.0, 400);
}

#[tokio::test]
async fn a_reset_begins_the_same_story_again() {
    let world = World::start("plain").await;
    let account = json!({ "app_id": APP_ID, "secret": "s", "token": "t" });
    let mut stories = Vec::new();
    for _ in 0..2 {
        world.control("reset", json!({})).await;
        let made = world.control("wechat_oa/accounts", account.clone()).await;
        let answer = world.act("message", json!({ "text": "你好" })).await;
        // Without a callback URL the action happens all the same.
        assert_eq!(answer["delivery"]["outcome"], "failed");
        assert!(answer["delivery"]["reason"].as_str().unwrap().contains("callback_url"));
        stories.push((
            made["original_id"].clone(),
            answer["openid"].clone(),
            answer["delivery"]["xml"].clone(),
        ));
    }
    assert_eq!(stories[0], stories[1]);
}

#[tokio::test]
async fn another_secret_ends_the_tokens_and_the_fans_stay() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    let mut account = json!({ "app_id": APP_ID, "secret": "s3cret", "token": "t" });
    world.control("wechat_oa/accounts", account.clone()).await;
    assert_eq!(world.send_text(&token, &fan).await, 0);
    account["secret"] = "another".into();
    world.control("wechat_oa/accounts", account).await;
    assert_eq!(world.send_text(&token, &fan).await, 40001);
}
