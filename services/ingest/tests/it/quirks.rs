//! What the SDKs really send (platforms.md 5.3), byte habits included.

use serde_json::{Value, json};

use crate::tracking::gzip;
use crate::world::{identifiers, open, post, raw, read};

#[tokio::test]
async fn segment_python_sends_nulls_and_its_key_twice() {
    let stage = open().await;
    let body = json!({
        "batch": [{
            "type": "track", "event": "Order Completed", "userId": "u1", "anonymousId": null, "messageId": "py-1",
            "timestamp": "2026-11-21T09:59:58+08:00", "integrations": {}, "properties": {"total": 199.5, "coupon": null},
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
        }],
        "sentAt": "2026-11-21T10:00:00+08:00", "writeKey": "dev",
    });
    let request =
        post(&stage, "/v1/batch").basic_auth("dev", Some("")).header("content-type", "application/json");
    let answer = request.header("x-retry-count", "0").body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let event = raw(&stage).await.remove(0);
    assert_eq!(
        (event.name.as_str(), identifiers(&event)),
        ("order_completed", vec!["user_id=u1".to_owned()])
    );
    assert_eq!(
        Value::from(chassis::fact::properties(&event)),
        json!({"total": 199.5, "original_name": "Order Completed"})
    );
    assert_eq!(kernel::Time::from(event.time.unwrap()), kernel::Time(stage.warp.now().0 - 2_000_000));
    assert_eq!(event.context.unwrap().channel, "server");
}

#[tokio::test]
async fn rudder_python_gzips_and_has_traits_in_the_context_only() {
    let stage = open().await;
    let body = json!({
        "batch": [{
            "type": "identify", "userId": "u1", "messageId": "r-1", "channel": "server", "originalTimestamp": "2026-11-21T10:00:00+08:00",
            "context": {"traits": {"email": "han@example.cn", "city": "杭州"}, "library": {"name": "rudder-analytics-python", "version": "2.1.9"}},
        }],
        "sentAt": "2026-11-21T10:00:00+08:00",
    });
    let request = post(&stage, "/v1/batch").basic_auth("dev", Some("")).header("content-encoding", "gzip");
    let answer = request
        .header("content-type", "application/json")
        .body(gzip(body.to_string().as_bytes()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let event = raw(&stage).await.remove(0);
    assert_eq!(identifiers(&event), ["user_id=u1", "email=han@example.cn"]);
    assert_eq!(
        Value::from(chassis::fact::properties(&event)),
        json!({"traits": {"email": "han@example.cn", "city": "杭州"}})
    );
}

#[tokio::test]
async fn rudder_node_calls_gzipped_json_a_form() {
    let stage = open().await;
    let body = json!({
        "batch": [{"type": "page", "name": "首页", "anonymousId": "a1", "messageId": "n-1",
                   "originalTimestamp": "2026-11-21T02:00:00.000Z", "sentAt": "2026-11-21T02:00:00.000Z"}],
        "sentAt": "2026-11-21T02:00:00.000Z",
    });
    let request = post(&stage, "/v1/batch").basic_auth("dev", Some("")).header("content-encoding", "gzip");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(gzip(body.to_string().as_bytes())).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(raw(&stage).await[0].name, "page_viewed");
}

#[tokio::test]
async fn segment_node_retries_what_is_in_already() {
    let stage = open().await;
    let body = json!({
        "batch": [{"type": "track", "event": "a", "userId": "u1", "messageId": "node-next-1-x", "_metadata": {"nodeVersion": "22"}}],
        "writeKey": "dev", "sentAt": "2026-11-21T02:00:00.000Z",
    });
    for _ in 0..3 {
        let answer = post(&stage, "/v1/batch")
            .basic_auth("dev", Some(""))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(read(answer).await, (200, json!({"success": true})));
    }
    assert_eq!(raw(&stage).await.len(), 1);
}

#[tokio::test]
async fn analytics_next_asks_for_settings_and_sends_plain_text() {
    let stage = open().await;
    let settings = |key: &str| format!("http://{}/v1/projects/{key}/settings", stage.running.http);
    let (status, body) = read(reqwest::get(settings("dev")).await.unwrap()).await;
    let segment = &body["integrations"]["Segment.io"];
    assert_eq!(
        (status, &segment["apiKey"], &segment["unbundledIntegrations"]),
        (200, &json!("dev"), &json!([]))
    );
    assert_eq!(segment["apiHost"], format!("{}/v1", stage.running.http));
    assert_eq!(body["plan"], json!({"track": {"__default": {"enabled": true}}}));
    assert_eq!(reqwest::get(settings("nobody")).await.unwrap().status().as_u16(), 401);

    let body = json!({
        "timestamp": "2026-11-21T02:00:00.000Z", "integrations": {}, "type": "page", "anonymousId": "b7", "userId": null,
        "properties": {"path": "/手袋", "referrer": "", "search": "?utm_source=weibo", "title": "手袋", "url": "https://shop.example/手袋"},
        "context": {"page": {"path": "/手袋", "title": "手袋", "url": "https://shop.example/手袋"}, "userAgent": "Mozilla/5.0",
                    "locale": "zh-CN", "campaign": {"source": "weibo", "medium": "kol"}, "timezone": "Asia/Shanghai",
                    "library": {"name": "analytics.js", "version": "next-1.84.3"}},
        "messageId": "ajs-next-1", "writeKey": "dev", "sentAt": "2026-11-21T02:00:00.500Z", "_metadata": {"bundled": []},
    });
    let request =
        post(&stage, "/v1/p").header("content-type", "text/plain").header("origin", "https://shop.example");
    assert_eq!(request.body(body.to_string()).send().await.unwrap().status().as_u16(), 200);
    let event = raw(&stage).await.remove(0);
    let context = event.context.clone().unwrap();
    assert_eq!(
        (event.name.as_str(), identifiers(&event)),
        ("page_viewed", vec!["anonymous_id=b7".to_owned()])
    );
    assert_eq!((context.channel.as_str(), context.page.unwrap().title.as_str()), ("web", "手袋"));
    assert_eq!(
        (context.campaign.unwrap().medium.as_str(), context.timezone.as_str()),
        ("kol", "Asia/Shanghai")
    );
}
