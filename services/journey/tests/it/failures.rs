//! What happens when others fail.

use journey::Journey;
use sea_orm::{ConnectionTrait as _, Statement, Value};
use serde_json::json;
use store::Tenant;
use uuid::Uuid;

use crate::scene::{Scene, branch, customer, exit, on, send, story, update, wait_for};

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

/// Spoils a column of a run, as a disk may.
async fn damage(scene: &Scene, run: &wire::journey::Run, column: &str, value: Value) {
    let db = scene.stage.database::<Journey>().await.unwrap();
    let unit = Tenant::Platform.scope(db.begin()).await.unwrap();
    let text = format!("UPDATE run SET \"{column}\" = $1 WHERE run_id = $2");
    let values = [value, run.run_id.parse::<Uuid>().unwrap().into()];
    let update = Statement::from_sql_and_values(unit.db().get_database_backend(), text, values);
    assert_eq!(unit.db().execute_raw(update).await.unwrap().rows_affected(), 1);
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_damaged_run_ends_with_an_error_and_holds_up_nobody() {
    let mut scene = Scene::open().await;
    let nodes = vec![("rest", wait_for("bought", "1h", "end", "end")), ("end", exit("done"))];
    scene.publish("j", on("seen", nodes)).await;
    for n in [1, 1, 2, 3, 4] {
        scene.happen("seen", n, json!({})).await;
        scene.pass("1s").await;
    }
    let runs = scene.runs("j").await;
    damage(&scene, &runs[0], "trigger", vec![0xff_u8].into()).await;
    damage(&scene, &runs[2], "state", "?".into()).await;
    damage(&scene, &runs[3], "held", vec![0xff_u8].into()).await;
    // What waits for the same event, also of the same customer, hears it.
    scene.happen("bought", 1, json!({})).await;
    scene.happen("bought", 3, json!({})).await;
    let client = scene.client();
    let cancel = wire::journey::CancelRunRequest { run_id: runs[3].run_id.clone(), ..Default::default() };
    client.clone().cancel_run(cancel).await.unwrap();
    scene.pass("1h").await;
    let stories: Vec<String> = scene.runs("j").await.iter().map(story).collect();
    assert_eq!(
        stories,
        [
            "rest:exited =error",
            "rest:matched end:exited =done",
            "rest:exited =error",
            "rest:exited =cancelled",
            "rest:timed_out end:exited =done"
        ]
    );
    scene.audit("j").await;
}
