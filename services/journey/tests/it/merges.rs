//! Merges take runs along, and splits bring them back.

use serde_json::json;
use wire::journey as proto;

use crate::scene::{Scene, customer, exit, on, record, wait_for};

fn moved(name: &str, to: [u128; 2]) -> (String, serde_json::Value) {
    let records: Vec<_> = [1, 2]
        .iter()
        .zip(to)
        .map(|(n, owner)| json!({ "record_id": record(*n), "customer_id": customer(owner) }))
        .collect();
    let ids = [customer(2)];
    let properties = json!({
        "merge_id": customer(99), "survivor": customer(1), "merged": ids, "restored": ids, "records": records,
    });
    (name.to_owned(), properties)
}

#[tokio::test]
async fn runs_follow_their_records_there_and_back() {
    let mut scene = Scene::open().await;
    let nodes = vec![("paid", wait_for("paid", "9d", "yes", "no")), ("yes", exit("yes")), ("no", exit("no"))];
    let mut definition = on("seen", nodes);
    definition.entry.as_mut().unwrap().re_entry = proto::ReEntry::Never.into();
    scene.publish("j", definition).await;
    scene.happen("seen", 2, json!({})).await;
    let (merged, properties) = moved("customer.merged", [1, 1]);
    for n in [1, 2] {
        scene.happen(&merged, n, properties.clone()).await;
    }
    assert_eq!(scene.runs("j").await[0].customer_id, customer(1));
    // The survivor has been in it, through the other: even by an event that still names that one.
    scene.happen("seen", 1, json!({})).await;
    scene.happen("seen", 2, json!({})).await;
    assert_eq!(scene.stats("j").await.entered, 1);
    let (split, properties) = moved("customer.split", [1, 2]);
    for n in [1, 2] {
        scene.happen(&split, n, properties.clone()).await;
    }
    assert_eq!(scene.runs("j").await[0].customer_id, customer(2));
    scene.happen("paid", 1, json!({})).await;
    assert_eq!(scene.story("j").await, "@paid waiting");
    scene.happen("paid", 2, json!({})).await;
    assert_eq!(scene.story("j").await, "paid:matched yes:exited =yes");
    scene.happen("seen", 1, json!({})).await;
    assert_eq!(scene.stats("j").await.entered, 2);
    scene.audit("j").await;
}

#[tokio::test]
async fn a_run_of_either_side_hears_what_the_other_did_before() {
    let mut scene = Scene::open().await;
    let nodes = vec![("paid", wait_for("paid", "9d", "yes", "no")), ("yes", exit("yes")), ("no", exit("no"))];
    scene.publish("j", on("seen", nodes)).await;
    scene.happen("seen", 1, json!({})).await;
    scene.happen("seen", 2, json!({})).await;
    let (merged, properties) = moved("customer.merged", [1, 1]);
    scene.happen(&merged, 1, properties).await;
    assert_eq!(scene.stats("j").await.active, 2);
    scene.happen("paid", 2, json!({})).await;
    assert_eq!(scene.stats("j").await.active, 0);
    scene.audit("j").await;
}
