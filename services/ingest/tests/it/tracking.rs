//! The tracking API: paths, proof of who sends, limits, answers.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::world::{call, identifiers, open, post, raw, read};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn reason(body: &Value) -> &str {
    body["error"]["reason"].as_str().unwrap_or("")
}

#[tokio::test]
async fn every_path_takes_its_call() {
    let stage = open().await;
    let paths = [
        ("track", "cart_added"),
        ("t", "cart_added"),
        ("identify", "identified"),
        ("i", "identified"),
        ("page", "page_viewed"),
        ("p", "page_viewed"),
        ("screen", "screen_viewed"),
        ("s", "screen_viewed"),
        ("group", "grouped"),
        ("g", "grouped"),
        ("alias", "aliased"),
        ("a", "aliased"),
        ("batch", "cart_added"),
        ("b", "cart_added"),
        ("import", "cart_added"),
    ];
    for (path, name) in paths {
        let one = json!({"type": "track", "event": "Cart Added", "userId": "u1", "previousId": "a1", "groupId": "g1"});
        let body = if name == "cart_added" && path.len() > 1 && path != "track" || path == "b" {
            json!({"batch": [one]})
        } else {
            one
        };
        let answer = call(&stage, &format!("/v1/{path}"), body).await;
        assert_eq!(read(answer).await, (200, json!({"success": true})), "{path}");
        assert_eq!(raw(&stage).await.last().unwrap().name, name, "{path}");
    }
    let (status, body) = read(call(&stage, "/v1/jump", json!({})).await).await;
    assert_eq!((status, reason(&body)), (404, "UNKNOWN_CALL"));
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let stage = open().await;
    let send = async |method: Method, path: &str| {
        let url = format!("http://{}{path}", stage.running.http);
        let answer = Client::new().request(method, url).send().await.unwrap();
        let allow = answer.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
        (read(answer).await, allow.unwrap_or_default())
    };
    for (method, path) in
        [(Method::GET, "/"), (Method::POST, "/v2/track"), (Method::GET, "/callbacks/weibo/x")]
    {
        let ((status, body), _) = send(method.clone(), path).await;
        assert_eq!((status, reason(&body)), (404, "PATH_UNKNOWN"), "{path}");
        assert!(body.to_string().contains(&format!("{method} {path};")), "{body}");
    }
    for (method, path, allowed) in [
        (Method::GET, "/v1/track", "POST"),
        (Method::POST, "/metrics", "GET"),
        (Method::PUT, "/callbacks/wechat_oa/oa", "POST"),
    ] {
        let ((status, body), allow) = send(method, path).await;
        assert_eq!((status, reason(&body)), (405, "METHOD_NOT_ALLOWED"), "{path}");
        assert!(allow.contains(allowed), "{path}: {allow}");
    }
}

#[tokio::test]
async fn the_write_key_may_stand_in_the_header_or_in_the_body() {
    let stage = open().await;
    let body = |key: Value| json!({"event": "a", "userId": "u1", "writeKey": key}).to_string();
    let send = async |request: reqwest::RequestBuilder| read(request.send().await.unwrap()).await;
    let track = || post(&stage, "/v1/track");
    assert_eq!(send(track().body(body("dev".into()))).await.0, 200);
    assert_eq!(send(track().basic_auth("dev", None::<&str>).body(body(Value::Null))).await.0, 200);
    assert_eq!(send(track().bearer_auth("x").body(body("dev".into()))).await.0, 200);
    assert_eq!(send(track().header("authorization", "Basic %%%").body(body("dev".into()))).await.0, 200);
    for key in ["", "nobody"] {
        let (status, answer) = send(track().basic_auth(key, Some("")).body(body("nobody".into()))).await;
        assert_eq!((status, reason(&answer)), (401, "WRITE_KEY_UNKNOWN"));
        assert!(answer["error"]["message"].as_str().unwrap().contains("create a source"), "{answer}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let stage = open().await;
    let large = json!({"event": "a", "userId": "u1", "properties": {"x": "x".repeat(33_000)}});
    let (status, answer) = read(call(&stage, "/v1/track", large.clone()).await).await;
    assert_eq!((status, reason(&answer)), (400, "EVENT_TOO_LARGE"));
    let mut of_batch = large;
    of_batch["type"] = "track".into();
    let batch = json!({"batch": [of_batch, {"type": "track", "event": "b", "userId": "u1"}]});
    assert_eq!(call(&stage, "/v1/batch", batch).await.status().as_u16(), 200);
    assert_eq!(raw(&stage).await.len(), 1);
    let (status, answer) =
        read(call(&stage, "/v1/batch", json!({"batch": ["x".repeat(600_000)]})).await).await;
    assert_eq!((status, reason(&answer)), (400, "BODY_TOO_LARGE"));
    for (path, body, expected) in [
        ("/v1/b", "", "NOT_JSON"),
        ("/v1/b", "x", "NOT_JSON"),
        ("/v1/b", "{\"batch\": [", "NOT_JSON"),
        ("/v1/b", "[]", "WRONG_SHAPE"),
        ("/v1/b", "{\"batch\":1}", "WRONG_SHAPE"),
        ("/v1/b", "{}", "WRONG_SHAPE"),
        ("/v1/t", "7", "WRONG_SHAPE"),
        ("/v1/t", "track", "NOT_JSON"),
    ] {
        let answer = post(&stage, path).basic_auth("dev", Some("")).body(body).send().await.unwrap();
        let (status, answer) = read(answer).await;
        assert_eq!((status, reason(&answer)), (400, expected), "{body}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("such as {"), "the remedy: {message}");
    }
    let (_, answer) = read(call(&stage, "/v1/t", json!({"event": "x".repeat(600_000)})).await).await;
    assert_eq!(reason(&answer), "BODY_TOO_LARGE");
    assert!(!answer.to_string().contains("several batches"), "one call cannot be split: {answer}");
    let many: Vec<_> = (0..2_510)
        .map(|n| json!({"type": "track", "event": "many", "userId": "u1", "messageId": format!("m{n}")}))
        .collect();
    let (status, answer) = read(call(&stage, "/v1/batch", json!({"batch": many})).await).await;
    assert_eq!((status, reason(&answer)), (400, "TOO_MANY_EVENTS"));
    assert!(answer.to_string().contains("several batches"), "{answer}");
    assert_eq!(raw(&stage).await.len(), 1, "nothing of it is half applied");
    assert_eq!(call(&stage, "/v1/batch", json!({"batch": &many[..2_500]})).await.status().as_u16(), 200);
    assert_eq!(raw(&stage).await.len(), 2_501);
}

/// A kilobyte by gzip that would become gigabytes, were its context lent to every call before that is measured.
#[tokio::test]
async fn what_a_batch_lends_to_its_calls_is_measured_first() {
    let stage = open().await;
    let send = async |body: String| {
        let request =
            post(&stage, "/v1/batch").basic_auth("dev", Some("")).header("content-encoding", "gzip");
        read(request.body(gzip(body.as_bytes())).send().await.unwrap()).await
    };
    let lent = json!({"context": {"x": "A".repeat(1_500_000)}, "batch": vec![json!({}); 2_500]});
    let (status, answer) = send(lent.to_string()).await;
    assert_eq!((status, reason(&answer)), (400, "EVENT_TOO_LARGE"));
    let empty = format!("{{\"batch\":[{}]}}", vec!["{}"; 1_000_000].join(","));
    let (status, answer) = send(empty).await;
    assert_eq!((status, reason(&answer)), (400, "TOO_MANY_EVENTS"));
    let failed =
        crate::world::grpc(&stage).list_failed_events(wire::ingest::ListFailedEventsRequest::default()).await;
    assert_eq!(failed.unwrap().into_inner().failed_events.len(), 0, "no row is written for any of them");
    let track = json!({"type": "track", "event": "a", "userId": "u1"});
    let sound = json!({"context": {"locale": "zh-CN", "x": "A".repeat(1_000)}, "batch": vec![track; 100]});
    assert_eq!(send(sound.to_string()).await, (200, json!({"success": true})));
    let events = raw(&stage).await;
    assert_eq!(events.len(), 100);
    assert!(events.into_iter().all(|event| event.context.unwrap().locale == "zh-CN"));
}

#[tokio::test]
async fn gzip_is_inflated_and_bombs_are_not() {
    let stage = open().await;
    let send = async |body: Vec<u8>| {
        let request = post(&stage, "/v1/batch")
            .basic_auth("dev", Some(""))
            .header("content-encoding", "gzip")
            .body(body);
        read(request.send().await.unwrap()).await
    };
    let batch =
        json!({"batch": [{"type": "track", "event": "下单", "userId": "u1"}], "pad": " ".repeat(3 << 20)});
    assert_eq!(send(gzip(batch.to_string().as_bytes())).await.0, 200);
    let (status, answer) = send(gzip(&vec![b' '; 200 << 20])).await;
    assert_eq!((status, reason(&answer)), (400, "BODY_TOO_LARGE"));
    let (status, answer) = send(b"{}".to_vec()).await;
    assert_eq!((status, reason(&answer)), (400, "NOT_GZIP"));
    let brotli = post(&stage, "/v1/batch").header("content-encoding", "br").body("x").send().await.unwrap();
    assert_eq!(reason(&read(brotli).await.1), "UNKNOWN_ENCODING");
}

#[tokio::test]
async fn pages_of_any_site_may_send() {
    let stage = open().await;
    let url = format!("http://{}/v1/t", stage.running.http);
    let preflight = Client::new()
        .request(Method::OPTIONS, &url)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success());
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert_eq!(preflight.headers()["access-control-allow-headers"], "authorization,content-type");
    let refused =
        post(&stage, "/v1/t").header("origin", "https://shop.example").body("x").send().await.unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn properties_without_end_are_refused_one_by_one() {
    let stage = open().await;
    let deep = |levels: usize| (1..levels).fold(json!({"x": 1}), |inner, _| json!({"x": inner}));
    let wide: Value = (0..1_001).map(|n| (n.to_string(), Value::from(n))).collect();
    let track =
        |properties: Value| json!({"type": "track", "event": "a", "userId": "u1", "properties": properties});
    let batch =
        json!({"batch": [track(deep(17)), track(wide), track(deep(16)), {"type": "track", "event": "a"}]});
    assert_eq!(call(&stage, "/v1/batch", batch).await.status().as_u16(), 200);
    assert_eq!(raw(&stage).await.len(), 1);
    let failed =
        crate::world::grpc(&stage).list_failed_events(wire::ingest::ListFailedEventsRequest::default()).await;
    let reasons: Vec<String> =
        failed.unwrap().into_inner().failed_events.into_iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["too_deep", "too_many_keys", "missing_identity"]);
}

#[tokio::test]
async fn an_address_is_taken_from_the_connection_when_the_call_says_so() {
    let stage = open().await;
    call(&stage, "/v1/t", json!({"event": "a", "userId": "u1", "context": {"direct": true}})).await;
    call(&stage, "/v1/t", json!({"event": "a", "userId": "u1", "context": {"ip": "198.51.100.7"}})).await;
    call(&stage, "/v1/t", json!({"event": "a", "userId": "u1"})).await;
    let ips: Vec<String> = raw(&stage).await.into_iter().map(|event| event.context.unwrap().ip).collect();
    assert_eq!(ips, ["127.0.0.1", "198.51.100.7", ""]);
    assert_eq!(identifiers(&raw(&stage).await[0]), ["user_id=u1"]);
}
