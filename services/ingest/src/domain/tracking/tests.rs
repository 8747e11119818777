//! Bodies as SDKs send them, and bodies that nobody should send.

use kernel::{Time, Workspace};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::event::Event;

use super::call::Call;
use super::*;
use crate::domain::source::{Kind, Source};

const RECEIVED: Time = Time::from_seconds(1_795_226_400);
/// Those of `config.toml`.
const LIMITS: Limits = Limits { calls: 2_500, call: 32_768, all: 4 << 20 };

fn events(endpoint: Endpoint, body: &Value) -> Vec<(Event, Option<&'static str>)> {
    let source = Source { priority: 3, ..Source::built_in(Workspace::new("demo"), "web", Kind::Tracking) };
    let peer = Some("203.0.113.9".parse().unwrap());
    let arrival = Arrival { source: &source, received: RECEIVED, peer, trace_parent: "" };
    let bytes = serde_json::to_vec(body).unwrap();
    let body = Body::read(endpoint, &bytes, &LIMITS).unwrap();
    let translated = body.calls().iter().map(|call| translate(&body.complete(call).unwrap(), &arrival));
    translated.map(|(event, refusal)| (event, refusal.map(|refusal| refusal.reason.code()))).collect()
}

fn one(path: &str, body: Value) -> Event {
    let (event, refusal) = events(Endpoint::parse(path).unwrap(), &body).remove(0);
    assert_eq!(refusal, None);
    event
}

fn names(event: &Event) -> Vec<String> {
    event.identifiers.iter().map(|i| format!("{}={}", i.namespace, i.value)).collect()
}

fn properties(event: &Event) -> Value {
    chassis::fact::properties(event).into()
}

#[test]
fn each_type_becomes_its_event() {
    let base = |extra: Value| {
        let mut body = json!({"userId": "u1", "anonymousId": null, "messageId": "m1"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let track = one("t", base(json!({"event": "加入购物车", "properties": {"sku": "A1", "coupon": null}})));
    assert_eq!((track.name.as_str(), properties(&track)), ("加入购物车", json!({"sku": "A1"})));
    let page = one(
        "p",
        base(json!({"name": "首页", "properties": {"url": "https://shop.example/", "title": "首页"}})),
    );
    assert_eq!(
        (page.name.as_str(), page.context.unwrap().page.unwrap().title.as_str()),
        ("page_viewed", "首页")
    );
    let screen = one("screen", base(json!({"name": "购物车", "category": "交易"})));
    assert_eq!(properties(&screen), json!({"name": "购物车", "category": "交易"}));
    let group =
        one("g", base(json!({"groupId": "g1", "traits": {"name": "某公司", "email": "info@example.cn"}})));
    assert_eq!(names(&group), ["user_id=u1"]);
    assert_eq!(
        (group.name.as_str(), properties(&group)),
        ("grouped", json!({"group_id": "g1", "traits": {"name": "某公司", "email": "info@example.cn"}}))
    );
    let alias = one("a", base(json!({"previousId": "anon-9"})));
    assert_eq!(
        (alias.name.as_str(), names(&alias)),
        ("aliased", vec!["user_id=u1".to_owned(), "anonymous_id=anon-9".to_owned()])
    );
}

#[test]
fn identify_takes_traits_from_the_top_and_from_the_context() {
    let identify = one(
        "identify",
        json!({"userId": 10086, "traits": {"city": "上海", "phone": "13800000000"},
               "context": {"traits": {"city": "北京", "email": "li@example.cn"}, "device": {"id": "d1"},
                           "externalIds": [{"type": "wechat.unionid", "id": "o6_b"}]}}),
    );
    assert_eq!(identify.name, "identified");
    assert_eq!(
        properties(&identify),
        json!({"traits": {"city": "上海", "phone": "13800000000", "email": "li@example.cn"}})
    );
    assert_eq!(
        names(&identify),
        ["user_id=10086", "email=li@example.cn", "phone=13800000000", "device_id=d1", "wechat.unionid=o6_b"]
    );
}

#[test]
fn a_batch_lends_its_context_to_its_calls() {
    let body = json!({
        "batch": [
            {"type": "track", "event": "a", "userId": "u1", "timestamp": "2026-11-21T01:59:50Z",
             "context": {"locale": "en", "campaign": {"name": "双十一"}}},
            {"type": "jump", "userId": "u1"},
            {"type": "track", "event": "b", "userId": "u1", "timestamp": "gestern"},
        ],
        "context": {"locale": "zh-CN", "direct": true, "library": {"name": "analytics-python", "version": "2.4.0"}},
        "sentAt": "2026-11-21T02:00:00Z",
        "writeKey": "k",
    });
    let events = events(Endpoint::Batch, &body);
    assert_eq!(
        events.iter().map(|(_, refusal)| *refusal).collect::<Vec<_>>(),
        [None, Some("unknown_type"), Some("bad_time")]
    );
    let first = &events[0].0;
    assert_eq!(first.time, Some(Time(RECEIVED.0 - 10_000_000).into()));
    let context = first.context.clone().unwrap();
    assert_eq!(
        (context.locale.as_str(), context.channel.as_str(), context.ip.as_str()),
        ("en", "server", "203.0.113.9")
    );
    assert_eq!(
        (context.campaign.unwrap().name.as_str(), context.source_key.as_str(), context.source_priority),
        ("双十一", "web", 3)
    );
}

#[test]
fn bodies_that_are_no_calls_are_refused() {
    for body in ["", "[]x", "[1]", "\"x\"", "{\"batch\": 7}", "{}", "null", "\u{feff}{}"] {
        assert!(Body::read(Endpoint::Batch, body.as_bytes(), &LIMITS).is_err(), "{body}");
    }
    assert!(Body::read(Endpoint::One(Call::Track), b"\xff\xfe{}", &LIMITS).is_err());
    assert!(Body::read(Endpoint::One(Call::Track), b"track", &LIMITS).is_err());
}

/// What stands beside a batch is lent to each call: a small body must not become gigabytes by it, nor by empty calls.
#[test]
fn a_batch_that_would_grow_beyond_the_limits_is_refused_before_anything_is_made_of_it() {
    let batch = |context: usize, calls: usize| {
        let calls = vec!["{}"; calls].join(",");
        format!("{{\"context\":{{\"x\":\"{}\"}},\"batch\":[{calls}]}}", "A".repeat(context))
    };
    for (context, calls, reason, named) in [
        (1_500_000, 2_500, "EVENT_TOO_LARGE", "ingest.event.max_bytes"),
        (32_761, 1, "EVENT_TOO_LARGE", "ingest.event.max_bytes"),
        (4_000, 2_500, "BODY_TOO_LARGE", "ingest.http.max_inflated_bytes"),
        (0, 2_501, "TOO_MANY_EVENTS", "ingest.max_batch_events"),
        (0, 1_000_000, "TOO_MANY_EVENTS", "2500 (ingest.max_batch_events)"),
    ] {
        let text = batch(context, calls);
        let flaw = Body::read(Endpoint::Batch, text.as_bytes(), &LIMITS).map(drop).unwrap_err();
        assert_eq!(flaw.reason, reason, "{context} bytes lent to {calls}: {}", flaw.message);
        assert!(flaw.message.contains(named), "{}", flaw.message);
    }
    for (context, calls) in [(1_000, 2_500), (30_000, 100)] {
        let text = batch(context, calls);
        let body = Body::read(Endpoint::Batch, text.as_bytes(), &LIMITS).unwrap();
        assert!(body.calls().iter().all(|call| body.size(call) <= LIMITS.call));
        let whole = body.complete(body.calls()[calls - 1]).unwrap();
        assert_eq!(whole["context"]["x"].as_str().map(str::len), Some(context));
    }
}

/// A call that fits by itself does not with what it is lent.
#[test]
fn a_call_is_measured_with_what_it_is_lent() {
    let batch =
        json!({"context": {"x": "A".repeat(20_000)}, "batch": [{"x": "A".repeat(20_000)}, {}]}).to_string();
    let body = Body::read(Endpoint::Batch, batch.as_bytes(), &LIMITS).unwrap();
    let fits: Vec<bool> = body.calls().iter().map(|call| body.size(call) <= LIMITS.call).collect();
    assert_eq!(fits, [false, true]);
}

#[test]
fn a_write_key_that_is_none_costs_nothing() {
    let long = json!({"event": "a", "writeKey": "k".repeat(2_000)}).to_string();
    let body = Body::read(Endpoint::One(Call::Track), long.as_bytes(), &LIMITS).unwrap();
    assert_eq!(body.write_key, "");
}

#[test]
fn a_context_that_is_nested_without_end_is_refused() {
    let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
    let text = format!("{{\"batch\": [], \"context\": {deep}}}");
    let flaw = Body::read(Endpoint::Batch, text.as_bytes(), &LIMITS).map(drop).unwrap_err();
    assert!(flaw.reason == "WRONG_SHAPE" && flaw.message.contains("`context`"), "{flaw:?}");
}

#[test]
fn one_call_that_is_nested_without_end_spoils_no_other() {
    let deep = format!("{}1{}", "[".repeat(400), "]".repeat(400));
    let text = format!("{{\"batch\": [{{\"type\":\"track\",\"x\":{deep}}}, {{\"type\":\"track\"}}, 5]}}");
    let body = Body::read(Endpoint::Batch, text.as_bytes(), &LIMITS).unwrap();
    let read: Vec<bool> = body.calls().iter().map(|call| body.complete(call).is_some()).collect();
    assert_eq!(read, [false, true, false]);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop_oneof![Just("track"), Just("page"), Just("identify"), Just("alias")].prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("type"),
        Just("userId"),
        Just("context"),
        Just("traits"),
        Just("properties"),
        Just("timestamp"),
        Just("batch"),
        Just("externalIds"),
        Just("device"),
        Just("page"),
        Just("sentAt"),
        Just("event"),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), batch in any::<bool>()) {
        let endpoint = if batch { Endpoint::Batch } else { Endpoint::One(Call::Track) };
        let _read = Body::read(endpoint, &bytes, &LIMITS).is_ok();
    }

    #[test]
    fn no_call_makes_it_panic(calls in prop::collection::vec(json_value(), 0..4), context in json_value()) {
        let source = Source::built_in(Workspace::new("demo"), "web", Kind::Tracking);
        let arrival = Arrival { source: &source, received: RECEIVED, peer: None, trace_parent: "" };
        let text = json!({"batch": calls, "context": context}).to_string();
        let body = Body::read(Endpoint::Batch, text.as_bytes(), &LIMITS).unwrap();
        for call in body.calls().iter().filter_map(|call| body.complete(call)) {
            let (event, _) = translate(&call, &arrival);
            prop_assert!(event.time.is_some());
        }
    }
}
