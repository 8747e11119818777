//! Tokens through HTTP, on a virtual clock.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{APP_ID, World, openid};

#[tokio::test]
async fn wrong_credentials_have_their_codes_and_the_type_is_plain_text() {
    let world = World::start("plain").await;
    for (query, code) in [
        (String::new(), 40002),
        ("grant_type=password".into(), 40002),
        ("grant_type=client_credential".into(), 41002),
        (format!("grant_type=client_credential&appid={APP_ID}"), 41004),
        ("grant_type=client_credential&appid=wxnone&secret=s".into(), 40013),
        (format!("grant_type=client_credential&appid={APP_ID}&secret=wrong"), 40125),
        ("grant_type=%".into(), 40002),
    ] {
        let response =
            world.client.get(format!("{}/cgi-bin/token?{query}", world.base)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain");
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["errcode"], code, "{query}");
        let rid = answer["errmsg"].as_str().unwrap().split_once(" rid: ").unwrap().1;
        assert_eq!(rid.len(), 26, "{answer}");
    }
}

#[tokio::test]
async fn old_and_new_overlap_then_only_the_new_works_until_it_expires() {
    let world = World::start("plain").await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    let first = world.token().await;
    world.advance(Duration::from_secs(60));
    let second = world.token().await;
    world.advance(Duration::from_secs(299));
    assert_eq!(world.send_text(&first, &fan).await, 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.send_text(&first, &fan).await, 40001);
    assert_eq!(world.send_text(&second, &fan).await, 0);
    world.advance(Duration::from_secs(7_200 - 300));
    assert_eq!(world.send_text(&second, &fan).await, 42001);
    assert_eq!(world.send_text("made-up", &fan).await, 40001);
    assert_eq!(world.send_text("", &fan).await, 41001);
}

#[tokio::test]
async fn the_stable_token_is_a_family_of_its_own() {
    let world = World::start("plain").await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    let stable = async |force: bool| {
        let body = json!({
            "grant_type": "client_credential", "appid": APP_ID, "secret": "s3cret", "force_refresh": force,
        });
        let (_, answer) = world.post("/cgi-bin/stable_token", body.to_string()).await;
        serde_json::from_str::<Value>(&answer).unwrap()["access_token"].as_str().unwrap().to_owned()
    };
    let first = stable(false).await;
    assert_eq!(stable(false).await, first);
    world.token().await;
    world.token().await;
    world.advance(Duration::from_secs(600));
    assert_eq!(world.send_text(&first, &fan).await, 0);
    let second = stable(true).await;
    assert_ne!(first, second);
    assert_eq!(world.send_text(&first, &fan).await, 40001);
    assert_eq!(world.send_text(&second, &fan).await, 0);
    let (_, answer) = world.post("/cgi-bin/stable_token", "not json").await;
    assert!(answer.contains("47001"), "{answer}");
}
