//! Saving, changing and deleting segments and rules.

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use wire::segmentation::*;

use super::world::World;

fn segment(key: &str, condition: &str) -> Option<Segment> {
    Some(Segment { key: key.to_owned(), condition: condition.to_owned(), ..Segment::default() })
}

const ORDERED: &str = r#"events("order_completed").count() >= 1"#;

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    let world = World::open().await;
    world.create("a", ORDERED).await;
    for (key, condition, field, place) in [
        ("b", "events(\"order_completed\").cuont() > 1", "segment.condition", "line 1"),
        ("b", "profile.city ==", "segment.condition", "line 1"),
        ("b", "true &&\n in_segment(\"nobody\")", "segment.condition", "line 2"),
        ("b", "", "segment.condition", "line 1"),
        ("B b", "true", "segment.key", "lower-case"),
    ] {
        let ask = CreateSegmentRequest { segment: segment(key, condition) };
        let error = chassis::status::from_status(&world.api.clone().create_segment(ask).await.unwrap_err());
        let told: Vec<_> =
            error.violations.iter().map(|v| (v.field.as_str(), v.description.as_str())).collect();
        assert!(
            matches!(told.as_slice(), [(f, text), ..] if *f == field && text.contains(place)),
            "{told:?}"
        );
    }
    let again =
        world.api.clone().create_segment(CreateSegmentRequest { segment: segment("a", "true") }).await;
    assert_eq!(again.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn rings_are_refused_and_dependents_hold_a_segment() {
    let world = World::open().await;
    world.create("a", ORDERED).await;
    world.create("b", r#"in_segment("a")"#).await;
    world.create("c", r#"!in_segment("b")"#).await;
    world.set_tiers("t", &[("in", r#"in_segment("c")"#), ("out", "")]).await;
    for condition in [r#"in_segment("a")"#, r#"in_segment("c") || false"#] {
        let ask = UpdateSegmentRequest { segment: segment("a", condition) };
        let error = chassis::status::from_status(&world.api.clone().update_segment(ask).await.unwrap_err());
        assert!(error.violations[0].description.contains("a → "), "{error}");
    }
    assert_eq!(world.segment("a").await.dependents, ["b"]);
    assert_eq!(world.segment("c").await.dependents, ["t"]);
    let refused =
        world.api.clone().delete_segment(DeleteSegmentRequest { key: "b".to_owned() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains('c'), "{}", refused.message());
    world.play(&[world.did(1, "page_viewed", json!({}))]).await;
    assert_eq!(world.members("c").await, [1]);
    world.play(&[world.did(1, "order_completed", json!({}))]).await;
    assert_eq!((world.members("b").await, world.members("c").await), (vec![1], vec![]));
    assert_eq!(world.distribution("t").await, [("in".to_owned(), 0), ("out".to_owned(), 1)]);
}

#[tokio::test]
async fn a_changed_condition_tells_only_those_who_come_or_go() {
    let world = World::open().await;
    world.create("buyers", r#"events("order_completed").count() >= 2"#).await;
    for (person, orders) in [(1, 1), (2, 2), (3, 3)] {
        for _ in 0..orders {
            world.play(&[world.did(person, "order_completed", json!({"total": 1}))]).await;
        }
    }
    world
        .play(&[
            world.did(4, "order_completed", json!({"total": 9})),
            world.did(4, "order_completed", json!({})),
        ])
        .await;
    assert_eq!(world.members("buyers").await, [2, 3, 4]);
    world.stage.advance(Duration::from_secs(60)).await;
    let changed = r#"events("order_completed").sum("total") >= 3"#;
    let ask = UpdateSegmentRequest { segment: segment("buyers", changed) };
    world.api.clone().update_segment(ask).await.unwrap();
    world.stage.settled().await;
    assert_eq!(world.members("buyers").await, [3, 4]);
    let shown = world.segment("buyers").await;
    assert_eq!((shown.state(), shown.size, shown.condition.as_str()), (SegmentState::Live, 2, changed));
    assert_eq!(world.told("buyers").await[3..], ["exited 2 @60 backfill"]);
}

#[tokio::test]
async fn the_members_of_a_deleted_segment_are_told() {
    let world = World::open().await;
    world.create("buyers", ORDERED).await;
    world
        .play(&[world.did(1, "order_completed", json!({})), world.did(2, "order_completed", json!({}))])
        .await;
    world.api.clone().delete_segment(DeleteSegmentRequest { key: "buyers".to_owned() }).await.unwrap();
    world.stage.settled().await;
    let told = world.told("buyers").await;
    assert_eq!(told, ["entered 1 @0", "entered 2 @0", "exited 1 @0 deleted", "exited 2 @0 deleted"]);
    let ask = GetSegmentRequest { key: "buyers".to_owned() };
    assert_eq!(world.api.clone().get_segment(ask).await.unwrap_err().code(), Code::NotFound);
    world.create("buyers", r#"events("order_completed").count() >= 2"#).await;
    assert!(world.members("buyers").await.is_empty());
}

#[tokio::test]
async fn rules_are_told_under_their_own_name_and_listed_only_when_asked() {
    let world = World::open().await;
    let kind = SegmentKind::Rule.into();
    let rule = segment(
        "tag:travel_lover",
        r#"events("product_viewed", e.properties.category == "travel").count() > 0"#,
    );
    let rule = rule.map(|rule| Segment { kind, ..rule });
    world.api.clone().create_segment(CreateSegmentRequest { segment: rule }).await.unwrap();
    world.stage.settled().await;
    world.play(&[world.did(1, "product_viewed", json!({"category": "travel"}))]).await;
    assert_eq!(world.told("tag:travel_lover").await, ["entered 1 @0"]);
    let list = |include_rules| ListSegmentsRequest { include_rules, ..ListSegmentsRequest::default() };
    assert!(world.api.clone().list_segments(list(false)).await.unwrap().into_inner().segments.is_empty());
    assert_eq!(world.api.clone().list_segments(list(true)).await.unwrap().into_inner().segments.len(), 1);
}
