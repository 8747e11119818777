//! Building from history: as if the segment had been there from the beginning, whatever happens on the way.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use wire::event::Event;
use wire::segmentation::*;

use super::world::{World, at};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn members_are_found_in_history() {
    let world = World::open().await;
    world
        .play(&[
            world.did(1, "order_completed", json!({"total": 50})),
            world.did(2, "page_viewed", json!({})),
        ])
        .await;
    world.stage.advance(DAY).await;
    world.create("buyers", r#"events("order_completed").within("3d").count() >= 1"#).await;
    assert_eq!(world.members("buyers").await, [1]);
    assert_eq!(world.told("buyers").await, ["entered 1 @86400 backfill"]);
    world.stage.advance(2 * DAY).await;
    assert_eq!(world.told("buyers").await[1..], ["exited 1 @259200"]);
}

#[tokio::test]
async fn a_larger_window_is_filled_without_counting_twice() {
    let world = World::open().await;
    world.create("week", r#"events("order_completed").within("7d").count() >= 2"#).await;
    for _ in 0..4 {
        world.play(&[world.did(1, "order_completed", json!({"total": 50}))]).await;
        world.stage.advance(5 * DAY).await;
    }
    world.create("exactly_four", r#"events("order_completed").within("30d").count() == 4"#).await;
    assert_eq!(world.members("exactly_four").await, [1]);
    assert!(world.members("week").await.is_empty());
}

#[tokio::test]
async fn without_analytics_it_waits_and_nothing_is_lost_or_doubled() {
    let mut world = World::without_history().await;
    world.play(&[world.did(1, "order_completed", json!({}))]).await;
    world.create("twice", r#"events("order_completed").count() == 2"#).await;
    assert_eq!(world.segment("twice").await.state(), SegmentState::Building);
    world.play(&[world.did(1, "order_completed", json!({}))]).await;
    world = world.reopen(false).await;
    world.play(&[world.did(2, "order_completed", json!({}))]).await;
    world.stage.advance(Duration::from_secs(20)).await;
    assert_eq!(world.segment("twice").await.state(), SegmentState::Building);
    world = world.reopen(true).await;
    world.stage.settled().await;
    assert_eq!(world.segment("twice").await.state(), SegmentState::Live);
    assert_eq!(world.members("twice").await, [1]);
    world.play(&[world.did(2, "order_completed", json!({}))]).await;
    assert_eq!(world.members("twice").await, [1, 2]);
}

#[tokio::test]
async fn restarts_in_the_midst_lose_nothing_and_double_nothing() {
    let mut world = World::open().await;
    world.play(&[world.did(1, "order_completed", json!({"total": 1}))]).await;
    for round in 1..6 {
        let batch: Vec<Event> =
            (0..40).map(|_| world.did(1, "order_completed", json!({"total": 1}))).collect();
        world.send(&batch).await;
        if round == 3 {
            let condition = r#"events("order_completed").within("3d").sum("total") == 201"#.to_owned();
            let segment = Segment { key: "all".to_owned(), condition, ..Segment::default() };
            world.api.clone().create_segment(CreateSegmentRequest { segment: Some(segment) }).await.unwrap();
        }
        world = world.reopen(true).await;
    }
    world.stage.settled().await;
    assert_eq!(world.segment("all").await.state(), SegmentState::Live);
    assert_eq!(world.members("all").await, [1]);
}

#[tokio::test]
async fn the_real_analytics_gives_the_same_history() {
    let world = World::with_real_analytics().await;
    world
        .play(&[
            world.did(1, "order_completed", json!({"total": 60})),
            world.did(2, "page_viewed", json!({})),
        ])
        .await;
    world.play(&[world.did_on(1, 3, "order_completed", json!({"total": 41.5}))]).await;
    world.stage.advance(DAY).await;
    let condition = r#"events("order_completed").within("3d").sum("total") == 101.5"#;
    let ask = EstimateSegmentRequest { condition: condition.to_owned() };
    let estimate = world.api.clone().estimate_segment(ask).await.unwrap().into_inner();
    assert_eq!((estimate.matched, estimate.total), (1, 2));
    world.create("buyers", condition).await;
    assert_eq!(world.members("buyers").await, [1]);
    world.create("silent", r#"events().within("3d").count() == 0"#).await;
    world.stage.advance(2 * DAY).await;
    assert_eq!(world.told("buyers").await, ["entered 1 @86400 backfill", "exited 1 @259200"]);
    assert_eq!(world.members("silent").await, [1, 2]);
}

const CONDITIONS: [&str; 5] = [
    r#"events("order_completed").within("7d").count() >= 2"#,
    r#"events("order_completed").sum("total") > 100"#,
    r#"events().within("2d").count() == 0"#,
    r#"sequence("product_viewed", "order_completed").within("3d")"#,
    r#"events("order_completed").within("20d").distinct_days() >= 2 && in_segment("s0")"#,
];

fn events() -> impl Strategy<Value = Vec<(u32, usize, u32, u64)>> {
    prop::collection::vec((1_u32..5, 0_usize..3, 0_u32..90, 0_u64..40), 1..40)
}

/// Defined before, in the midst, or after: the same members.
#[test]
fn when_it_was_defined_makes_no_difference() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    runner
        .run(&(events(), 0.0_f64..1.0), |(events, share)| {
            let middle = (events.len() as f64 * share) as usize;
            let outcomes: Vec<_> = [0, middle, events.len()]
                .into_iter()
                .map(|define_at| runtime.block_on(play(&events, define_at)))
                .collect();
            prop_assert_eq!(&outcomes[0], &outcomes[1]);
            prop_assert_eq!(&outcomes[0], &outcomes[2]);
            Ok(())
        })
        .unwrap();
}

async fn play(events: &[(u32, usize, u32, u64)], define_at: usize) -> Vec<Vec<u32>> {
    let world = World::open().await;
    for (n, (person, name, total, hours)) in events.iter().enumerate() {
        if n == define_at {
            define(&world).await;
        }
        let name = ["order_completed", "product_viewed", "page_viewed"][*name];
        world.send(&[event(&world, *person, n, name, *total)]).await;
        if hours % 3 == 0 {
            world.stage.advance(Duration::from_secs(hours * 3_600)).await;
        }
    }
    if define_at >= events.len() {
        define(&world).await;
    }
    world.stage.settled().await;
    let mut members = Vec::new();
    for (n, condition) in CONDITIONS.iter().enumerate() {
        let segment = world.segment(&format!("s{n}")).await;
        assert_eq!(segment.state(), SegmentState::Live);
        members.push(world.members(&segment.key).await);
        let ask = EstimateSegmentRequest { condition: (*condition).to_owned() };
        let estimate = world.api.clone().estimate_segment(ask).await.unwrap().into_inner();
        assert_eq!(estimate.matched, segment.size, "estimate of {condition}");
    }
    members
}

/// Without waiting: events stream in while it is built.
async fn define(world: &World) {
    for (n, condition) in CONDITIONS.iter().enumerate() {
        let segment =
            Segment { key: format!("s{n}"), condition: (*condition).to_owned(), ..Segment::default() };
        world.api.clone().create_segment(CreateSegmentRequest { segment: Some(segment) }).await.unwrap();
    }
}

fn event(world: &World, person: u32, n: usize, name: &str, total: u32) -> Event {
    at(world.now(), person, person, &format!("h{n}"), name, json!({"total": total}))
}
