//! How many steps a second, with everything durable; in a debug build, so only as a warning sign.

use std::time::Instant;

use serde_json::json;

use crate::scene::{Scene, branch, exit, on, send, update, wait};

#[tokio::test]
async fn a_thousand_runs_go_through_quickly() {
    const RUNS: u128 = 1_000;
    let mut scene = Scene::open().await;
    let nodes = vec![
        ("hello", send(&["oa"], "welcome", "pause")),
        ("pause", wait("30m", "fork")),
        ("fork", branch(&[(r#""vip" in tags"#, "end")], "note")),
        ("note", update(json!({ "a": 1 }), &[], "end")),
        ("end", exit("done")),
    ];
    scene.publish("j", on("seen", nodes)).await;
    let events: Vec<_> = (0..RUNS).map(|n| scene.event(&format!("s{n}"), "seen", n, json!({}))).collect();
    let begun = Instant::now();
    scene.append(&events).await;
    scene.pass("30m").await;
    let taken = begun.elapsed();
    let stats = scene.stats("j").await;
    let steps: i64 = stats.nodes.iter().map(|node| node.left).sum();
    assert_eq!((stats.active, steps), (0, 5 * RUNS as i64));
    println!("{steps} steps in {taken:?}: {:.0} a second", steps as f64 / taken.as_secs_f64());
}
