//! What each kind of node does.

use serde_json::json;
use wire::journey as proto;
use wire::messaging::send_message_request::Customer;

use crate::scene::{Scene, branch, customer, exit, on, send, story, until, update, wait, wait_for};

#[tokio::test]
async fn an_event_starts_a_run_that_sends_waits_and_ends() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("hello", send(&["oa"], "welcome", "pause")),
        ("pause", wait("30m", "end")),
        ("end", exit("done")),
    ];
    scene.publish("welcome", on("wechat.subscribed", nodes)).await;
    scene.happen("wechat.subscribed", 1, json!({ "scene": "海报" })).await;
    assert_eq!(scene.story("welcome").await, "hello:sent @pause waiting");
    {
        let world = scene.world();
        let sent = &world.sent[0];
        assert_eq!(sent.customer, Some(Customer::CustomerId(customer(1))));
        assert_eq!(
            (sent.cause_id.as_str(), sent.cause_depth, sent.channels.as_slice()),
            ("e1", 0, &["oa".to_owned()][..])
        );
        assert_eq!(sent.event.as_ref().unwrap().name, "wechat.subscribed");
    }
    scene.audit("welcome").await;
    scene.pass("29m").await;
    assert_eq!(scene.story("welcome").await, "hello:sent @pause waiting");
    scene.pass("1m").await;
    assert_eq!(scene.story("welcome").await, "hello:sent pause:waited end:exited =done");
    let run = scene.runs("welcome").await.remove(0);
    assert_eq!((run.cause_id.as_str(), run.version), ("e1", 1));
    assert_eq!(run.exited_at, Some(scene.now().into()));
    scene.audit("welcome").await;
}

#[tokio::test]
async fn a_time_of_day_is_the_next_one_in_the_zone_of_the_workspace() {
    let mut scene = Scene::open().await;
    // It is ten in Shanghai.
    let nodes = vec![("morning", until("09:30", "end")), ("end", exit(""))];
    scene.publish("recall", on("seen", nodes)).await;
    scene.happen("seen", 1, json!({})).await;
    scene.pass("23h").await;
    assert_eq!(scene.story("recall").await, "@morning waiting");
    scene.pass("29m").await;
    assert_eq!(scene.story("recall").await, "@morning waiting");
    scene.pass("1m").await;
    assert_eq!(scene.story("recall").await, "morning:waited end:exited =done");
}

#[tokio::test]
async fn an_awaited_event_matches_by_name_and_condition_and_time_runs_out() {
    let mut scene = Scene::open().await;
    let mut paid = wait_for("order_completed", "2h", "thanks", "lost");
    if let Some(proto::node::Kind::WaitFor(wait)) = &mut paid.kind {
        wait.condition = "event.properties.total > 100".to_owned();
    }
    let nodes = vec![("paid", paid), ("thanks", exit("paid")), ("lost", exit("lost"))];
    scene.publish("cart", on("cart_added", nodes)).await;
    for n in 1..=3 {
        scene.happen("cart_added", n, json!({})).await;
    }
    scene.happen("order_completed", 1, json!({ "total": 99 })).await;
    scene.happen("order_completed", 2, json!({ "total": 101 })).await;
    let stories = |runs: Vec<proto::Run>| {
        let mut all: Vec<_> = runs.iter().map(|run| (run.customer_id.clone(), story(run))).collect();
        all.sort();
        all.into_iter().map(|(_, story)| story).collect::<Vec<_>>()
    };
    let lost = "paid:timed_out lost:exited =lost";
    let paid = "paid:matched thanks:exited =paid";
    assert_eq!(stories(scene.runs("cart").await), ["@paid waiting", paid, "@paid waiting"]);
    scene.audit("cart").await;
    scene.pass("2h").await;
    assert_eq!(stories(scene.runs("cart").await), [lost, paid, lost]);
    scene.audit("cart").await;
}

#[tokio::test]
async fn what_comes_in_the_same_breath_as_the_trigger_is_not_missed() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("note", send(&["app"], "note", "paid")),
        ("paid", wait_for("order_completed", "1h", "thanks", "lost")),
        ("thanks", exit("paid")),
        ("lost", exit("lost")),
    ];
    scene.publish("cart", on("cart_added", nodes)).await;
    let mut before = scene.event("a", "order_completed", 1, json!({}));
    before.time = Some(scene.now().minus(std::time::Duration::from_secs(1)).into());
    let (cart, order) =
        (scene.event("b", "cart_added", 1, json!({})), scene.event("c", "order_completed", 1, json!({})));
    scene.append(&[before.clone(), cart.clone(), before.clone()]).await;
    assert_eq!(scene.story("cart").await, "note:sent @paid waiting");
    scene.append(&[order]).await;
    assert_eq!(scene.story("cart").await, "note:sent paid:matched thanks:exited =paid");
    let (cart, order) =
        (scene.event("d", "cart_added", 2, json!({})), scene.event("e", "order_completed", 2, json!({})));
    scene.append(&[cart, order]).await;
    let runs = scene.runs("cart").await;
    assert!(runs.iter().all(|run| run.exit_reason == "paid"), "{runs:?}");
    scene.audit("cart").await;
}

#[tokio::test]
async fn branches_take_the_first_case_that_holds_and_conditions_are_asked_for_together() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("fork", branch(&[(r#""vip" in tags"#, "vip"), (r#"profile.city == "上海""#, "local")], "other")),
        ("vip", exit("vip")),
        ("local", exit("local")),
        ("other", exit("other")),
    ];
    scene.publish("fork", on("seen", nodes)).await;
    for n in [1, 2] {
        scene.world().attributes.insert(customer(n), json!({ "city": "上海" }).as_object().unwrap().clone());
    }
    scene.world().tags.insert(customer(2), ["vip".to_owned()].into());
    let events: Vec<_> = (1..=3).map(|n| scene.event(&format!("s{n}"), "seen", n, json!({}))).collect();
    scene.append(&events).await;
    let stats = scene.stats("fork").await;
    let exits: Vec<_> = stats.exits.iter().map(|exit| (exit.reason.as_str(), exit.runs)).collect();
    assert_eq!(exits, [("local", 1), ("other", 1), ("vip", 1)]);
    assert_eq!(scene.world().evaluations, 1);
    scene.audit("fork").await;
}

#[tokio::test]
async fn updates_change_attributes_and_tags_and_exit_when_is_looked_at_after_them() {
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("note", update(json!({ "last_interest": "旅行" }), &["blocked"], "pause")),
        ("pause", wait("1h", "end")),
        ("end", exit("done")),
    ];
    let mut definition = on("seen", nodes);
    definition.exit_when = r#""blocked" in tags"#.to_owned();
    scene.publish("note", definition).await;
    scene.happen("seen", 1, json!({})).await;
    assert_eq!(scene.story("note").await, "note:updated pause:exited =exit_when");
    assert_eq!(scene.world().attributes[&customer(1)]["last_interest"], "旅行");
    {
        let world = scene.world();
        assert_eq!(
            (world.tag_calls[0].source.as_str(), world.tag_calls[0].cause_id.as_str()),
            ("journey", "e1")
        );
        assert_eq!(world.updates[0].cause_id, "e1");
    }
    scene.audit("note").await;
}

#[tokio::test]
async fn whoever_goes_in_circles_without_waiting_is_stopped() {
    let mut scene = Scene::open().await;
    let mut past = wait("1h", "again");
    let when = proto::wait::Until::Date(prost_types::Timestamp::default());
    past.kind = Some(proto::node::Kind::Wait(proto::Wait { until: Some(when) }));
    let nodes = vec![("past", past), ("again", branch(&[("1 > 2", "end")], "past")), ("end", exit("done"))];
    scene.publish("circle", on("seen", nodes)).await;
    scene.happen("seen", 1, json!({})).await;
    let run = scene.runs("circle").await.remove(0);
    assert_eq!((run.exit_reason.as_str(), run.history.len()), ("loop", 101));
    assert_eq!(scene.world().evaluations, 0);
    scene.audit("circle").await;
}
