//! Callbacks of a WeChat Official Account.

use reqwest::Client;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use wire::ingest::SourceKind;

use crate::world::{assembly, create, identifiers, open, raw, source};

/// Golden vector C of platforms.md 1.2: safe mode, JSON.
const SEALED: &str = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";
const SEALED_QUERY: &str = "signature=6c5c811b55cc85e0e1b54100749188c20beb3f5d&timestamp=1714112445&nonce=415670741&openid=o9\
                            &encrypt_type=aes&msg_signature=046e02f8204d34f8ba5fa3b1db94908f3df2e9b3";

fn sign(parts: &[&str]) -> String {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    Sha1::digest(sorted.concat()).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn send(stage: &testkit::Stage, key: &str, query: &str, body: Option<&str>) -> (u16, String) {
    let url = format!("http://{}/callbacks/wechat_oa/{key}?{query}", stage.running.http);
    let request = match body {
        Some(body) => Client::new().post(url).body(body.to_owned()),
        None => Client::new().get(url),
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The platform verifies the address.
pub(crate) async fn verified(
    stage: &testkit::Stage,
    key: &str,
    token: &str,
    timestamp: &str,
) -> (u16, String) {
    let signature = sign(&[token, timestamp, "1514711492"]);
    let query =
        format!("signature={signature}&timestamp={timestamp}&nonce=1514711492&echostr=4375120948345356249");
    send(stage, key, &query, None).await
}

async fn plain(stage: &testkit::Stage, body: &str) -> (u16, String) {
    let timestamp = stage.warp.now().seconds().to_string();
    let signature = sign(&["AAAAA", &timestamp, "7"]);
    send(stage, "oa", &format!("signature={signature}&timestamp={timestamp}&nonce=7&openid=o9"), Some(body))
        .await
}

async fn account(settings: Value, set: &[&str]) -> testkit::Stage {
    let stage = testkit::Stage::open(assembly(set)).await.unwrap();
    create(&stage, source("oa", SourceKind::WechatOa, settings)).await;
    stage
}

fn plain_settings() -> Value {
    json!({"app_id": "wxba5fad812f8e6fb9", "token": "AAAAA"})
}

fn safe_settings() -> Value {
    json!({"app_id": "wxba5fad812f8e6fb9", "token": "AAAAA", "encoding_aes_key": "A".repeat(43)})
}

fn happening(event: &str, key: &str, second: i64) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o9AgO5]]></FromUserName>\
         <CreateTime>{second}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>\
         <EventKey><![CDATA[{key}]]></EventKey><Ticket><![CDATA[gQH]]></Ticket></xml>"
    )
}

#[tokio::test]
async fn the_address_is_verified_with_the_token() {
    // Golden vector A carries a time of 2024: any age is taken.
    let stage = account(plain_settings(), &["ingest.callbacks.max_age=0s"]).await;
    let query = "signature=f464b24fc39322e44b38aa78f5edd27bd1441696&timestamp=1714036504&nonce=1514711492&echostr=4375120948345356249";
    assert_eq!(send(&stage, "oa", query, None).await, (200, "4375120948345356249".to_owned()));
    let (status, text) = send(&stage, "oa", &query.replace("f464", "f465"), None).await;
    assert_eq!(status, 403);
    assert!(
        text.contains("SIGNATURE_REFUSED") && text.contains("token") && !text.contains("AAAAA"),
        "{text}"
    );
    assert_eq!(send(&stage, "oa", "echostr=1", None).await.0, 403);
    let (status, text) = send(&stage, "nix", query, None).await;
    assert_eq!(status, 404);
    assert!(text.contains("create it"), "{text}");
}

#[tokio::test]
async fn events_and_messages_become_events() {
    let stage = account(plain_settings(), &[]).await;
    let second = stage.warp.now().seconds() - 2;
    for (event, key) in [
        ("subscribe", "qrscene_上海旗舰店"),
        ("SCAN", "123"),
        ("CLICK", "新品"),
        ("VIEW", "https://a.cn"),
        ("unsubscribe", ""),
    ] {
        assert_eq!(plain(&stage, &happening(event, key, second)).await, (200, "success".to_owned()));
    }
    let message = json!({
        "ToUserName": "gh_1", "FromUserName": "o9AgO5", "CreateTime": second, "MsgType": "text", "Content": "几点关门?",
        "MsgId": 4_561_255_354_251_345_929_u64,
    });
    assert_eq!(plain(&stage, &message.to_string()).await.1, "success");
    let events = raw(&stage).await;
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "wechat.subscribed",
            "wechat.scanned",
            "wechat.menu_clicked",
            "wechat.menu_viewed",
            "wechat.unsubscribed",
            "message_replied"
        ]
    );
    assert_eq!(chassis::fact::text(&events[0], "scene"), "上海旗舰店");
    assert_eq!(chassis::fact::text(&events[1], "scene"), "123");
    assert_eq!(chassis::fact::text(&events[5], "text"), "几点关门?");
    for event in &events {
        assert_eq!(identifiers(event), ["wechat.openid:wxba5fad812f8e6fb9=o9AgO5"]);
        let context = event.context.as_ref().unwrap();
        assert_eq!((context.channel.as_str(), context.source_key.as_str()), ("wechat_oa", "oa"));
        assert_eq!(event.time.unwrap().seconds, second);
    }
}

#[tokio::test]
async fn repeated_deliveries_are_answered_and_taken_once() {
    let stage = account(plain_settings(), &[]).await;
    let second = stage.warp.now().seconds();
    for _ in 0..3 {
        assert_eq!(plain(&stage, &happening("subscribe", "", second)).await.1, "success");
    }
    plain(&stage, &happening("CLICK", "a", second)).await;
    plain(&stage, &happening("CLICK", "b", second)).await;
    let stage = stage.reopen(assembly(&[])).await.unwrap();
    assert_eq!(plain(&stage, &happening("subscribe", "", second)).await.1, "success");
    assert_eq!(raw(&stage).await.len(), 3);
}

#[tokio::test]
async fn sealed_messages_are_opened_with_the_present_or_the_previous_key() {
    let previous = json!({
        "app_id": "wxba5fad812f8e6fb9", "token": "AAAAA", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        "encoding_aes_key_previous": "A".repeat(43),
    });
    for settings in [safe_settings(), previous] {
        let stage = account(settings, &["ingest.callbacks.max_age=0s"]).await;
        let xml = format!("<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{SEALED}]]></Encrypt></xml>");
        let compat = format!(
            "<xml><FromUserName>forged</FromUserName><MsgType>event</MsgType><Event>forged</Event><Encrypt><![CDATA[{SEALED}]]></Encrypt></xml>"
        );
        let body = json!({"ToUserName": "gh", "Encrypt": SEALED}).to_string();
        for body in [xml, compat, body] {
            assert_eq!(send(&stage, "oa", SEALED_QUERY, Some(&body)).await, (200, "success".to_owned()));
        }
        let events = raw(&stage).await;
        assert_eq!((events.len(), events[0].name.as_str()), (1, "wechat.debug_demo"));
        assert_eq!(
            identifiers(&events[0]),
            ["wechat.openid:wxba5fad812f8e6fb9=o9AgO5Kd5ggOC-bXrbNODIiE3bGY"]
        );
        assert_eq!(chassis::fact::text(&events[0], "debug_str"), "hello world");
    }
}

#[tokio::test]
async fn what_is_not_proven_is_refused() {
    let body = json!({"ToUserName": "gh", "Encrypt": SEALED}).to_string();
    let any_age = ["ingest.callbacks.max_age=0s"];
    let mut other_app = safe_settings();
    other_app["app_id"] = "wx0000000000000000".into();
    let mut other_key = safe_settings();
    other_key["encoding_aes_key"] = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".into();
    for (settings, say) in
        [(other_app, "another app id"), (other_key, "EncodingAESKey"), (plain_settings(), "safe or compat")]
    {
        let stage = account(settings, &any_age).await;
        let (status, text) = send(&stage, "oa", SEALED_QUERY, Some(&body)).await;
        assert_eq!(status, 403);
        assert!(text.contains(say) && !text.contains("AAAA"), "{text}");
    }
    let stage = account(safe_settings(), &any_age).await;
    // `signature` alone proves nothing of the message.
    let swapped = SEALED_QUERY
        .replace("046e02f8204d34f8ba5fa3b1db94908f3df2e9b3", "6c5c811b55cc85e0e1b54100749188c20beb3f5d");
    assert_eq!(send(&stage, "oa", &swapped, Some(&body)).await.0, 403);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"ha\">]><xml><Encrypt>&a;</Encrypt></xml>";
    assert_eq!(send(&stage, "oa", SEALED_QUERY, Some(bomb)).await.0, 400);
    assert!(raw(&stage).await.is_empty());
    let strict = account(safe_settings(), &[]).await;
    let (status, text) = send(&strict, "oa", SEALED_QUERY, Some(&body)).await;
    assert_eq!(status, 403);
    assert!(text.contains("SIGNATURE_STALE"), "{text}");
}

/// Whoever saw one signed address could forge plain messages for as long as it is fresh: a source whose messages are
/// sealed takes no others.
#[tokio::test]
async fn a_source_takes_what_its_mode_says() {
    let sealed = json!({"ToUserName": "gh", "Encrypt": SEALED}).to_string();
    let with = |mode: &str| {
        let mut settings = safe_settings();
        settings["mode"] = mode.into();
        settings
    };
    for (settings, takes_plain, takes_sealed) in [
        (plain_settings(), true, false),
        (safe_settings(), false, true),
        (with("plain"), true, false),
        (with("compat"), true, true),
        (with("safe"), false, true),
    ] {
        let shown = settings.to_string();
        let stage = account(settings, &["ingest.callbacks.max_age=0s"]).await;
        let (status, text) = plain(&stage, &happening("subscribe", "", 1_714_112_000)).await;
        assert_eq!(status == 200, takes_plain, "{shown}: {text}");
        assert!(takes_plain || (text.contains("MODE_REFUSED") && text.contains("compat or plain")), "{text}");
        let (status, text) = send(&stage, "oa", SEALED_QUERY, Some(&sealed)).await;
        assert_eq!(status == 200, takes_sealed, "{shown}: {text}");
        assert!(takes_sealed || (text.contains("MODE_REFUSED") && text.contains("safe or compat")), "{text}");
        assert_eq!(raw(&stage).await.len(), usize::from(takes_plain) + usize::from(takes_sealed));
    }
}

#[tokio::test]
async fn refused_callbacks_name_the_place_and_the_remedy() {
    let stage = account(plain_settings(), &[]).await;
    for (query, missing) in [
        ("", "signature, timestamp, nonce"),
        ("timestamp=1&nonce=2", "signature"),
        ("signature=a&nonce=2", "timestamp"),
        ("encrypt_type=aes&signature=a&timestamp=1&nonce=2", "msg_signature"),
    ] {
        let (status, text) = send(&stage, "oa", query, Some("<xml><a>1</a></xml>")).await;
        assert_eq!(status, 403, "{query}");
        assert!(
            text.starts_with(&format!("SIGNATURE_MISSING: the address has no parameter {missing};")),
            "{text}"
        );
    }
    for body in ["<!DOCTYPE x [<!ENTITY a \"ha\">]><xml><Content>&a;</Content></xml>", "hello", "[]", "<xml>"]
    {
        let (status, text) = plain(&stage, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            text.starts_with("NOT_A_MESSAGE: ") && text.contains("what the platform posts"),
            "{body} → {text}"
        );
    }
    let (status, text) = plain(&stage, &"长".repeat(200_000)).await;
    assert_eq!(status, 400);
    assert!(text.contains("BODY_TOO_LARGE") && !text.contains("batches"), "{text}");
}

#[tokio::test]
async fn what_names_nobody_is_kept_as_failed_and_answered() {
    let stage = open().await;
    create(&stage, source("oa", SourceKind::WechatOa, plain_settings())).await;
    let body = "<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>";
    assert_eq!(plain(&stage, body).await.1, "success");
    assert!(raw(&stage).await.is_empty());
    let failed =
        crate::world::grpc(&stage).list_failed_events(wire::ingest::ListFailedEventsRequest::default()).await;
    assert_eq!(failed.unwrap().into_inner().failed_events[0].reason, "missing_identity");
}
