//! How fast it goes. A figure to read (`--nocapture`), and no limit: machines differ.

use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{grpc, open, request};

const CALLS: usize = 40;
const EVENTS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_500_from_four_callers() {
    let stage = open().await;
    let event = |id: String| {
        let properties =
            json!({"sku": "A1", "price": 88, "城市": "上海", "category": "手袋", "qty": 2, "vip": true});
        testkit::event(
            &id,
            "product_viewed",
            stage.warp.now(),
            &["user_id=李雷", "anonymous_id=a1"],
            properties,
        )
    };
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..4 {
        let mut client = grpc(&stage);
        let calls: Vec<_> = (0..CALLS / 4)
            .map(|call| request((0..EVENTS).map(|n| event(format!("{caller}-{call}-{n}"))).collect()))
            .collect();
        callers.spawn(async move {
            let mut accepted = 0;
            for call in calls {
                accepted += client.ingest_events(call).await.unwrap().into_inner().accepted;
            }
            accepted
        });
    }
    let accepted: u32 = callers.join_all().await.iter().sum();
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{accepted} events in {seconds:.2} s: {:.0} events/s, client included",
        f64::from(accepted) / seconds
    );
    assert_eq!(usize::try_from(accepted).unwrap(), CALLS * EVENTS);
}
