//! Drafts, versions, pauses, ends, restarts.

use serde_json::json;
use tonic::Code;
use wire::journey as proto;

use crate::scene::{Scene, branch, customer, exit, on, send, story, update, wait, wait_for};

fn simple(reason: &str) -> proto::Definition {
    on("seen", vec![("pause", wait("1h", "end")), ("end", exit(reason))])
}

fn key(key: &str) -> String {
    key.to_owned()
}

#[tokio::test]
async fn runs_keep_the_version_they_began_with() {
    let mut scene = Scene::open().await;
    assert_eq!(scene.publish("j", simple("one")).await.version, 1);
    assert_eq!(scene.publish_again("j").await.version, 1);
    scene.happen("seen", 1, json!({})).await;
    let journey = proto::Journey { key: key("j"), definition: Some(simple("two")), ..Default::default() };
    scene.client().update_journey(proto::UpdateJourneyRequest { journey: Some(journey) }).await.unwrap();
    scene.happen("seen", 2, json!({})).await;
    assert_eq!(scene.publish_again("j").await.version, 2);
    scene.happen("seen", 3, json!({})).await;
    scene.pass("1h").await;
    let mut reasons: Vec<_> =
        scene.runs("j").await.into_iter().map(|run| (run.version, run.exit_reason)).collect();
    reasons.sort();
    assert_eq!(reasons, [(1, key("one")), (1, key("one")), (2, key("two"))]);
    let request = proto::GetJourneyStatsRequest { key: key("j"), version: 2 };
    assert_eq!(scene.client().get_journey_stats(request).await.unwrap().into_inner().entered, 1);
    scene.audit("j").await;
}

#[tokio::test]
async fn while_paused_nobody_enters_and_runs_wait_where_they_are() {
    let mut scene = Scene::open().await;
    scene.publish("j", simple("done")).await;
    scene.happen("seen", 1, json!({})).await;
    let paused = scene.client().pause_journey(proto::PauseJourneyRequest { key: key("j") }).await.unwrap();
    assert_eq!(paused.into_inner().journey.unwrap().state(), proto::JourneyState::Paused);
    scene.happen("seen", 2, json!({})).await;
    scene.pass("2h").await;
    assert_eq!(scene.story("j").await, "@pause waiting");
    let scene = scene.reopen().await;
    scene.pass("1h").await;
    assert_eq!(scene.story("j").await, "@pause waiting");
    scene.client().resume_journey(proto::ResumeJourneyRequest { key: key("j") }).await.unwrap();
    scene.stage.settled().await;
    assert_eq!(scene.story("j").await, "pause:waited end:exited =done");
    let again = scene.client().resume_journey(proto::ResumeJourneyRequest { key: key("j") }).await;
    assert!(again.is_ok());
    scene.audit("j").await;
}

#[tokio::test]
async fn what_is_awaited_may_come_during_a_pause() {
    let mut scene = Scene::open().await;
    let nodes = vec![("paid", wait_for("paid", "1h", "yes", "no")), ("yes", exit("yes")), ("no", exit("no"))];
    scene.publish("j", on("seen", nodes)).await;
    scene.happen("seen", 1, json!({})).await;
    scene.client().pause_journey(proto::PauseJourneyRequest { key: key("j") }).await.unwrap();
    scene.happen("paid", 1, json!({})).await;
    assert_eq!(scene.story("j").await, "@paid ready");
    scene.client().resume_journey(proto::ResumeJourneyRequest { key: key("j") }).await.unwrap();
    scene.stage.settled().await;
    assert_eq!(scene.story("j").await, "paid:matched yes:exited =yes");
}

#[tokio::test]
async fn archiving_ends_all_runs_and_only_then_a_journey_may_go() {
    let mut scene = Scene::open().await;
    scene.publish("j", simple("done")).await;
    let events: Vec<_> = (0..450).map(|n| scene.event(&format!("s{n}"), "seen", n, json!({}))).collect();
    scene.append(&events).await;
    let delete = || proto::DeleteJourneyRequest { key: key("j") };
    let refused = scene.client().delete_journey(delete()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    scene.client().archive_journey(proto::ArchiveJourneyRequest { key: key("j") }).await.unwrap();
    scene.stage.settled().await;
    let stats = scene.stats("j").await;
    assert_eq!((stats.active, stats.exits[0].reason.as_str(), stats.exits[0].runs), (0, "archived", 450));
    scene.happen("seen", 999, json!({})).await;
    assert_eq!(scene.stats("j").await.entered, 450);
    scene.client().delete_journey(delete()).await.unwrap();
    assert_eq!(scene.client().delete_journey(delete()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_run_can_be_taken_out() {
    let mut scene = Scene::open().await;
    scene.publish("j", simple("done")).await;
    scene.happen("seen", 1, json!({})).await;
    let run_id = scene.runs("j").await.remove(0).run_id;
    let request = || proto::CancelRunRequest { run_id: run_id.clone(), reason: key("complaint") };
    let run = scene.client().cancel_run(request()).await.unwrap().into_inner().run.unwrap();
    assert_eq!(story(&run), "pause:exited =complaint");
    assert_eq!(scene.client().cancel_run(request()).await.unwrap_err().code(), Code::FailedPrecondition);
    scene.pass("2h").await;
    assert_eq!(scene.story("j").await, "pause:exited =complaint");
    scene.audit("j").await;
    let of_customer = proto::ListRunsRequest {
        customer: Some(proto::list_runs_request::Customer::CustomerId(customer(1))),
        state: proto::RunState::Exited.into(),
        ..Default::default()
    };
    assert_eq!(scene.client().list_runs(of_customer).await.unwrap().into_inner().runs.len(), 1);
}

#[tokio::test]
async fn a_restart_at_every_step_does_nothing_twice() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("hello", send(&["oa"], "welcome", "pause")),
        ("pause", wait("30m", "tag")),
        ("tag", update(json!({ "n": 1 }), &["engaged"], "reply")),
        ("reply", wait_for("message_replied", "2d", "fork", "lost")),
        ("fork", branch(&[(r#""engaged" in tags"#, "thanks")], "lost")),
        ("thanks", send(&["oa"], "thanks", "end")),
        ("end", exit("done")),
        ("lost", exit("lost")),
    ];
    scene.publish("j", on("seen", nodes)).await;
    scene.happen("seen", 1, json!({})).await;
    scene = scene.reopen().await;
    scene.pass("15m").await;
    scene = scene.reopen().await;
    scene.pass("15m").await;
    scene = scene.reopen().await;
    assert_eq!(scene.story("j").await, "hello:sent pause:waited tag:updated @reply waiting");
    scene.happen("message_replied", 1, json!({})).await;
    scene = scene.reopen().await;
    let all = "hello:sent pause:waited tag:updated reply:matched fork:branched thanks:sent end:exited =done";
    assert_eq!(scene.story("j").await, all);
    {
        let world = scene.world();
        assert_eq!((world.sent.len(), world.updates.len(), world.tag_calls.len()), (2, 1, 1));
    }
    scene.audit("j").await;
}
