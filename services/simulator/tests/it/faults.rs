//! Trouble on order: n times, then all is well.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{APP_ID, World, openid};

const SEND: &str = "/cgi-bin/message/custom/send";

#[tokio::test]
async fn codes_statuses_and_broken_json_n_times_then_success() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    world.control("faults", json!({ "app_id": APP_ID, "path": SEND, "errcode": -1, "times": 2 })).await;
    assert_eq!(world.send_text(&token, &fan).await, -1);
    assert_eq!(world.send_text(&token, &fan).await, -1);
    assert_eq!(world.send_text(&token, &fan).await, 0);

    let path = format!("{SEND}?access_token={token}");
    let body = json!({ "touser": fan, "msgtype": "text", "text": { "content": "在的" } }).to_string();
    world.control("faults", json!({ "path": SEND, "http_status": 502 })).await;
    world.control("faults", json!({ "path": SEND, "invalid_json": true })).await;
    assert_eq!(world.post(&path, body.clone()).await.0, 502);
    let (status, broken) = world.post(&path, body.clone()).await;
    assert!(status == 200 && serde_json::from_str::<Value>(&broken).is_err());
    assert_eq!(world.sent(&fan).await.len(), 1);

    // The dangerous case: taken, and the answer lost.
    world.control("faults", json!({ "path": SEND, "http_status": 500, "processed": true })).await;
    assert_eq!(world.post(&path, body).await.0, 500);
    assert_eq!(world.sent(&fan).await.len(), 2);
    let log = world.get(&format!("/_sim/log?path={SEND}")).await;
    let statuses: Vec<_> =
        log["log"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 502, 200, 500]);
}

#[tokio::test]
async fn an_answer_that_comes_too_late() {
    let world = World::start("plain").await;
    let token = world.token().await;
    let fan = openid(&world.act("message", json!({ "text": "你好" })).await);
    world.control("faults", json!({ "path": SEND, "timeout_ms": 60_000 })).await;
    world.control("faults", json!({ "path": SEND, "timeout_ms": 60_000, "processed": true })).await;
    let body = json!({ "touser": fan, "msgtype": "text", "text": { "content": "在的" } }).to_string();
    for taken in [0, 1] {
        let late = world
            .client
            .post(format!("{}{SEND}?access_token={token}", world.base))
            .timeout(Duration::from_secs(1))
            .body(body.clone())
            .send()
            .await;
        assert!(late.unwrap_err().is_timeout());
        assert_eq!(world.sent(&fan).await.len(), taken);
    }
    assert_eq!(world.send_text(&token, &fan).await, 0);
}

#[tokio::test]
async fn a_fault_strikes_only_its_account() {
    let world = World::start("plain").await;
    world.control("faults", json!({ "app_id": "wxother", "path": "/cgi-bin/token", "errcode": 40164 })).await;
    world.token().await;
    world.control("faults", json!({ "app_id": APP_ID, "path": "/cgi-bin/token", "errcode": 40164 })).await;
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={APP_ID}&secret=s3cret");
    assert_eq!(world.get(&path).await["errcode"], 40164);
    world.token().await;
}

#[tokio::test]
async fn the_webhook_sink_keeps_and_fails_on_order() {
    let world = World::start("plain").await;
    world.control("faults", json!({ "path": "/_sim/webhook/crm", "http_status": 503, "times": 1 })).await;
    assert_eq!(world.post("/_sim/webhook/crm", r#"{"event":"进群"}"#).await.0, 503);
    let response = world
        .client
        .post(format!("{}/_sim/webhook/crm", world.base))
        .header("x-signature", "abc")
        .body("plain text")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let received = world.get("/_sim/webhook/crm").await["received"].clone();
    assert_eq!((&received[0]["status"], &received[0]["json"]["event"]), (&json!(503), &json!("进群")));
    assert_eq!(received[1]["headers"]["x-signature"], "abc");
    assert_eq!((&received[1]["body"], &received[1]["json"]), (&json!("plain text"), &Value::Null));
    assert_eq!(world.get("/_sim/webhook/other").await["received"], json!([]));
}
