//! The journeys of `deploy/workspaces/retail/4-journeys.yaml`, written out.

use serde_json::json;
use wire::journey as proto;
use wire::journey::entry::Trigger;

use crate::scene::{Scene, branch, customer, exit, length, on, send, until, update, wait, wait_for};

const BLOCKED: &str = r#""blocked" in tags"#;

fn entry(
    mut definition: proto::Definition,
    trigger: Option<Trigger>,
    re_entry: proto::ReEntry,
    after: &str,
) -> proto::Definition {
    let entry = definition.entry.as_mut().unwrap();
    if trigger.is_some() {
        entry.trigger = trigger;
    }
    entry.re_entry = re_entry.into();
    entry.re_entry_after = (!after.is_empty()).then(|| length(after));
    definition.exit_when = BLOCKED.to_owned();
    definition
}

fn welcome() -> proto::Definition {
    let nodes = vec![
        ("hello", send(&["oa"], "welcome", "pause")),
        ("pause", wait("30m", "gift")),
        ("gift", send(&["oa", "mail", "app"], "welcome_gift", "replied")),
        ("replied", wait_for("message_replied", "2d", "tag", "end")),
        ("tag", update(json!({}), &["engaged"], "end")),
        ("end", exit("done")),
    ];
    entry(on("wechat.subscribed", nodes), None, proto::ReEntry::Never, "")
}

fn travel_coupon() -> proto::Definition {
    let nodes = vec![
        ("bought", branch(&[(r#"in_segment("buyers_30d")"#, "note")], "coupon")),
        ("coupon", send(&["oa", "mail", "app"], "travel_coupon", "note")),
        ("note", update(json!({ "last_interest": "旅行" }), &[], "end")),
        ("end", exit("done")),
    ];
    let trigger = Trigger::SegmentEntered("travel_intent".to_owned());
    entry(on("", nodes), Some(trigger), proto::ReEntry::After, "30d")
}

fn recall() -> proto::Definition {
    let nodes = vec![
        ("daytime", until("10:00", "recall")),
        ("recall", send(&["oa", "mail", "app"], "recall", "back")),
        ("back", wait_for("order_completed", "14d", "thanks", "lost")),
        ("thanks", exit("recalled")),
        ("lost", exit("still_silent")),
    ];
    let trigger = Trigger::SegmentEntered("silent_30d".to_owned());
    entry(on("", nodes), Some(trigger), proto::ReEntry::After, "90d")
}

#[tokio::test]
async fn a_fan_is_welcomed_once() {
    let mut scene = Scene::open().await;
    scene.publish("welcome", welcome()).await;
    scene.happen("wechat.subscribed", 1, json!({})).await;
    scene.pass("30m").await;
    scene.happen("message_replied", 1, json!({ "text": "谢谢" })).await;
    let story = "hello:sent pause:waited gift:sent replied:matched tag:updated end:exited =done";
    assert_eq!(scene.story("welcome").await, story);
    assert!(scene.world().tags[&customer(1)].contains("engaged"));
    scene.happen("wechat.subscribed", 1, json!({})).await;
    assert_eq!(scene.stats("welcome").await.entered, 1);
    scene.happen("wechat.subscribed", 2, json!({})).await;
    scene.world().tags.insert(customer(2), ["blocked".to_owned()].into());
    scene.pass("30m").await;
    let exits: Vec<_> = scene.stats("welcome").await.exits.into_iter().map(|e| (e.reason, e.runs)).collect();
    assert_eq!(exits, [("done".to_owned(), 1), ("exit_when".to_owned(), 1)]);
    scene.audit("welcome").await;
}

#[tokio::test]
async fn who_looks_at_travels_gets_a_coupon_unless_just_bought() {
    let mut scene = Scene::open().await;
    scene.publish("travel_coupon", travel_coupon()).await;
    scene.world().segments.insert(customer(2), ["buyers_30d".to_owned()].into());
    for n in [1, 2] {
        scene.happen("segment.entered", n, json!({ "segment": "travel_intent" })).await;
    }
    assert_eq!(scene.world().sent.len(), 1);
    assert_eq!(scene.world().updates.len(), 2);
    scene.pass("29d").await;
    scene.happen("segment.entered", 1, json!({ "segment": "travel_intent" })).await;
    assert_eq!(scene.stats("travel_coupon").await.entered, 2);
    scene.pass("1d").await;
    scene.happen("segment.entered", 1, json!({ "segment": "travel_intent" })).await;
    assert_eq!(scene.stats("travel_coupon").await.entered, 3);
    scene.audit("travel_coupon").await;
}

#[tokio::test]
async fn the_silent_are_called_back_at_ten() {
    let mut scene = Scene::open().await;
    scene.publish("recall", recall()).await;
    for n in [1, 2] {
        scene.happen("segment.entered", n, json!({ "segment": "silent_30d" })).await;
    }
    scene.pass("1d").await;
    assert_eq!(scene.world().sent.len(), 2);
    scene.happen("order_completed", 1, json!({ "total": 88 })).await;
    scene.pass("14d").await;
    let exits: Vec<_> = scene.stats("recall").await.exits.into_iter().map(|e| (e.reason, e.runs)).collect();
    assert_eq!(exits, [("recalled".to_owned(), 1), ("still_silent".to_owned(), 1)]);
    scene.audit("recall").await;
}
