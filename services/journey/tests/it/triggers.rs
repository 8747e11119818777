//! Who enters, and who enters again.

use std::time::Duration;

use serde_json::json;
use wire::journey as proto;
use wire::journey::entry::Trigger;

use crate::scene::{Scene, branch, customer, exit, length, on, wait};

fn short(re_entry: proto::ReEntry) -> proto::Definition {
    let mut definition = on("seen", vec![("pause", wait("1h", "end")), ("end", exit("done"))]);
    let entry = definition.entry.as_mut().unwrap();
    entry.re_entry = re_entry.into();
    entry.re_entry_after = Some(length("2h"));
    definition
}

#[tokio::test]
async fn re_entry_follows_its_rule() {
    use proto::ReEntry::{After, AfterExit, Always, Never};
    let mut scene = Scene::open().await;
    for (key, rule) in [("never", Never), ("after_exit", AfterExit), ("after", After), ("always", Always)] {
        scene.publish(key, short(rule)).await;
    }
    let mut entered = Vec::new();
    // At 0 h, 0 h, 0.5 h, 1.5 h and 2 h.
    for pause in ["", "", "30m", "1h", "30m"] {
        if !pause.is_empty() {
            scene.pass(pause).await;
        }
        scene.happen("seen", 1, json!({})).await;
        let mut row = Vec::new();
        for key in ["never", "after_exit", "after", "always"] {
            row.push(scene.stats(key).await.entered);
        }
        entered.push(row);
    }
    assert_eq!(entered, [[1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 1, 3], [1, 2, 1, 4], [1, 2, 2, 5]]);
    for key in ["never", "after_exit", "after", "always"] {
        scene.audit(key).await;
    }
}

#[tokio::test]
async fn events_of_one_batch_enter_one_after_the_other() {
    let mut scene = Scene::open().await;
    let mut definition = on("seen", vec![("end", exit("done"))]);
    definition.entry.as_mut().unwrap().re_entry = proto::ReEntry::AfterExit.into();
    scene.publish("quick", definition).await;
    scene.publish("slow", short(proto::ReEntry::AfterExit)).await;
    let events: Vec<_> = (0..5).map(|n| scene.event(&format!("s{n}"), "seen", 1, json!({}))).collect();
    scene.append(&events).await;
    assert_eq!((scene.stats("quick").await.entered, scene.stats("slow").await.entered), (5, 1));
    let slow = scene.runs("slow").await.remove(0);
    assert_eq!(slow.cause_id.len(), 2);
}

#[tokio::test]
async fn the_same_event_again_and_events_of_long_ago_start_nothing() {
    let mut scene = Scene::open().await;
    scene.publish("always", short(proto::ReEntry::Always)).await;
    let event = scene.event("e", "seen", 1, json!({}));
    scene.append(&[event.clone(), event.clone()]).await;
    scene.append(std::slice::from_ref(&event)).await;
    scene.pass("2h").await;
    let mut scene = scene.reopen().await;
    scene.append(&[event]).await;
    assert_eq!(scene.stats("always").await.entered, 1);
    let mut old = scene.event("old", "seen", 2, json!({}));
    old.time = Some(scene.now().minus(Duration::from_secs(86_401)).into());
    let mut late = scene.event("late", "seen", 2, json!({}));
    late.time = Some(scene.now().minus(Duration::from_secs(86_400)).into());
    scene.append(&[old, late]).await;
    assert_eq!(scene.stats("always").await.entered, 2);
    scene.audit("always").await;
}

#[tokio::test]
async fn what_is_only_heard_or_told_late_starts_runs() {
    let mut scene = Scene::open().await;
    let mut of_segment = short(proto::ReEntry::Always);
    of_segment.entry.as_mut().unwrap().trigger = Some(Trigger::SegmentEntered("silent".to_owned()));
    scene.publish("in", of_segment).await;
    scene.publish("always", short(proto::ReEntry::Always)).await;
    let three_days_ago = Some(scene.now().minus(Duration::from_secs(3 * 86_400)).into());
    // Received while this process was down.
    let mut heard_late = scene.event("heard", "seen", 1, json!({}));
    (heard_late.time, heard_late.received_at) = (three_days_ago, three_days_ago);
    // Fell due while segmentation was down.
    let mut told_late = scene.event("told", "segment.entered", 1, json!({ "segment": "silent" }));
    told_late.time = three_days_ago;
    let mut imported = scene.event("imported", "seen", 2, json!({}));
    imported.time = three_days_ago;
    scene.append(&[heard_late, told_late, imported]).await;
    assert_eq!((scene.stats("in").await.entered, scene.stats("always").await.entered), (1, 1));
    scene.audit("always").await;
}

#[tokio::test]
async fn conditions_of_entries_speak_of_event_and_customer() {
    let mut scene = Scene::open().await;
    let mut definition = short(proto::ReEntry::Always);
    definition.entry.as_mut().unwrap().condition =
        r#"event.properties.category == "travel" && "vip" in tags"#.to_owned();
    scene.publish("travel", definition).await;
    scene.world().tags.insert(customer(1), ["vip".to_owned()].into());
    for (n, category) in [(1, "travel"), (1, "food"), (2, "travel")] {
        scene.happen("seen", n, json!({ "category": category })).await;
    }
    let runs = scene.runs("travel").await;
    assert_eq!(runs.iter().map(|run| run.cause_id.as_str()).collect::<Vec<_>>(), ["e1"]);
    assert_eq!(scene.world().evaluations, 2);
    scene.audit("travel").await;
}

#[tokio::test]
async fn segments_start_runs_when_they_are_entered_and_left() {
    let mut scene = Scene::open().await;
    for (key, trigger) in [
        ("in", Trigger::SegmentEntered("travel_intent".to_owned())),
        ("out", Trigger::SegmentExited("travel_intent".to_owned())),
    ] {
        let mut definition = short(proto::ReEntry::Always);
        definition.entry.as_mut().unwrap().trigger = Some(trigger);
        scene.publish(key, definition).await;
    }
    scene.happen("segment.entered", 1, json!({ "segment": "travel_intent" })).await;
    scene.happen("segment.entered", 2, json!({ "segment": "other" })).await;
    scene.happen("segment.exited", 1, json!({ "segment": "travel_intent" })).await;
    scene.happen("segment.exited", 3, json!({ "segment": "travel_intent", "reason": "deleted" })).await;
    let entered = (scene.stats("in").await.entered, scene.stats("out").await.entered);
    assert_eq!(entered, (1, 1));
}

#[tokio::test]
async fn a_chain_of_causes_that_is_too_long_is_a_loop() {
    let mut scene = Scene::open().await;
    scene.publish("always", short(proto::ReEntry::Always)).await;
    let mut deep = scene.event("deep", "seen", 1, json!({}));
    deep.depth = 16;
    let mut deeper = scene.event("less", "seen", 2, json!({}));
    deeper.depth = 15;
    scene.append(&[deep, deeper]).await;
    assert_eq!(scene.stats("always").await.entered, 1);
    scene.audit("always").await;
}

#[tokio::test]
async fn a_loop_is_not_let_in_either_while_conditions_cannot_be_asked() {
    let mut scene = Scene::open().await;
    let nodes = vec![("fork", branch(&[(r#""vip" in tags"#, "end")], "end")), ("end", exit("done"))];
    scene.publish("fork", on("seen", nodes)).await;
    scene.world().failing = [("evaluate_conditions", usize::MAX)].into();
    let mut deep = scene.event("deep", "seen", 1, json!({}));
    deep.depth = 16;
    // It is forgotten, not tried again in the same breath for ever.
    scene.append(&[deep]).await;
    assert_eq!(scene.world().evaluations, 1);
    scene.pass("1h").await;
    assert_eq!(scene.stats("fork").await.entered, 0);
    assert_eq!(scene.world().evaluations, 1);
}
