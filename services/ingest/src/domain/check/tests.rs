//! What is accepted and what is not.

use kernel::Clock;
use serde_json::json;

use super::super::identifiers::identifier;
use super::*;

const NOW: Time = Time::from_seconds(1_795_226_400);
const LIMITS: Limits = Limits { bytes: 32_768, depth: 16, keys: 1_000 };

fn properties(value: serde_json::Value) -> Option<Struct> {
    let serde_json::Value::Object(object) = value else { return None };
    Some(chassis::values::to_struct(object))
}

fn event() -> Event {
    Event {
        id: "m1".to_owned(),
        name: "order_completed".to_owned(),
        time: Some(NOW.into()),
        identifiers: vec![identifier("user_id", "u1")],
        properties: properties(json!({"total": 88, "商品": "丝巾"})),
        ..Event::default()
    }
}

fn judge(change: impl FnOnce(&mut Event)) -> (Result<(), &'static str>, Event) {
    let ids = Ids::new(Clock::warped(NOW).0);
    let mut event = event();
    change(&mut event);
    let outcome = check(&mut event, &LIMITS, NOW, &ids).map_err(|refusal| refusal.reason.code());
    (outcome, event)
}

fn nested(levels: usize) -> serde_json::Value {
    (1..levels).fold(json!({"x": 1}), |inner, _| json!({"x": inner}))
}

#[test]
fn what_is_missing_is_filled_in_and_what_is_not_the_senders_is_taken_away() {
    let (outcome, event) = judge(|event| {
        event.id.clear();
        event.time = None;
        event.customer_id = "x".to_owned();
        event.cause_id = "x".to_owned();
        event.depth = 3;
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!((event.id.len(), event.time), (36, Some(NOW.into())));
    assert_eq!((event.customer_id.as_str(), event.cause_id.as_str(), event.depth), ("", "", 0));
    assert_eq!(event.received_at, Some(NOW.into()));
}

#[test]
fn a_changed_name_is_kept_beside_the_new_one() {
    let (outcome, event) = judge(|event| event.name = "Order Completed".to_owned());
    assert_eq!((outcome, event.name.as_str()), (Ok(()), "order_completed"));
    assert_eq!(chassis::fact::text(&event, "original_name"), "Order Completed");
    assert_eq!(chassis::fact::text(&judge(|_| {}).1, "original_name"), "");
}

#[test]
fn a_clock_that_is_far_ahead_is_not_believed() {
    let (_, event) = judge(|event| event.time = Some(NOW.plus(Duration::from_secs(90_000)).into()));
    assert_eq!(event.time, Some(NOW.into()));
    let soon = NOW.plus(Duration::from_secs(3_600));
    assert_eq!(judge(|event| event.time = Some(soon.into())).1.time, Some(soon.into()));
}

#[test]
fn every_refusal_has_its_code() {
    type Change = fn(&mut Event);
    let cases: [(&str, Change); 12] = [
        ("missing_identity", |e| e.identifiers.clear()),
        ("missing_identity", |e| e.identifiers = vec![identifier("user_id", " ")]),
        ("bad_identifier", |e| e.identifiers = vec![identifier("user id", "u1")]),
        ("bad_identifier", |e| e.identifiers = vec![identifier("user_id", "x".repeat(513))]),
        ("missing_name", |e| e.name = " - ".to_owned()),
        ("name_too_long", |e| e.name = "名".repeat(101)),
        ("reserved_name", |e| e.name = "Segment.Entered".to_owned()),
        ("bad_id", |e| e.id = "x".repeat(101)),
        ("bad_time", |e| e.time = Some(prost_types::Timestamp { seconds: -1, nanos: 0 })),
        ("too_large", |e| e.properties = properties(json!({"x": "x".repeat(32_768)}))),
        ("too_deep", |e| e.properties = properties(nested(17))),
        ("too_many_keys", |e| {
            e.properties = properties((0..1_001).map(|n| (n.to_string(), json!(n))).collect());
        }),
    ];
    for (code, change) in cases {
        assert_eq!(judge(change).0, Err(code));
    }
    assert_eq!(judge(|e| e.properties = properties(nested(16))).0, Ok(()));
    assert_eq!(judge(|e| e.id = "编".repeat(100)).0, Ok(()));
}
