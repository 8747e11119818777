//! What happens when others fail.

use serde_json::json;

use crate::scene::{Scene, branch, customer, exit, on, send, update};

#[tokio::test]
async fn passing_failures_are_tried_again_and_nothing_is_sent_twice() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("hello", send(&["oa"], "welcome", "note")),
        ("note", update(json!({ "a": 1 }), &["t"], "fork")),
        ("fork", branch(&[(r#""t" in tags"#, "yes")], "no")),
        ("yes", exit("yes")),
        ("no", exit("no")),
    ];
    scene.publish("j", on("seen", nodes)).await;
    scene.world().failing = [("send_messages", 2), ("add_tags", 1), ("evaluate_conditions", 3)].into();
    scene.happen("seen", 1, json!({})).await;
    assert_eq!(scene.story("j").await, "@hello ready");
    scene.pass("1s").await;
    assert_eq!(scene.story("j").await, "@hello ready");
    scene.pass("2s").await;
    assert_eq!(scene.story("j").await, "hello:sent @note ready");
    assert_eq!(scene.world().send_calls, 3);
    assert_eq!(scene.world().sent.len(), 1);
    let scene = scene.reopen().await;
    scene.pass("1m").await;
    assert_eq!(scene.story("j").await, "hello:sent note:updated fork:branched yes:exited =yes");
    assert_eq!(scene.world().updates.len(), 1);
    assert_eq!(scene.world().evaluations, 4);
    scene.audit("j").await;
}

#[tokio::test]
async fn a_large_profile_is_updated_like_any_other() {
    let mut scene = Scene::open().await;
    let large = json!({ "bio": "大".repeat(2_000_000) });
    scene.world().attributes.insert(customer(1), large.as_object().unwrap().clone());
    scene
        .publish(
            "j",
            on("seen", vec![("note", update(json!({ "a": 1 }), &[], "end")), ("end", exit("done"))]),
        )
        .await;
    scene.happen("seen", 1, json!({})).await;
    assert_eq!(scene.story("j").await, "note:updated end:exited =done");
}

#[tokio::test]
async fn a_message_refused_for_good_is_noted_and_a_refused_update_ends_the_run() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("hello", send(&["oa"], "gone", "note")),
        ("note", update(json!({ "forbidden": 1 }), &[], "end")),
        ("end", exit("done")),
    ];
    scene.publish("j", on("seen", nodes)).await;
    scene.world().unknown.insert("gone".to_owned());
    scene.happen("seen", 1, json!({})).await;
    assert_eq!(scene.story("j").await, "hello:failed note:failed =error");
    let run = scene.runs("j").await.remove(0);
    assert!(run.history[0].detail.contains("gone") && run.history[1].detail.contains("forbidden"), "{run:?}");
    scene.audit("j").await;
}
