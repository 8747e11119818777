//! Memberships that change as events arrive and as time passes.

use std::time::Duration;

use serde_json::json;
use wire::segmentation::SegmentState;

use super::world::World;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn members_come_with_events_and_go_at_the_moment_the_window_ends() {
    let world = World::open().await;
    let made = world.create("buyers", r#"events("order_completed").within("7d").count() >= 2"#).await;
    assert_eq!(made.state(), SegmentState::Building);
    assert_eq!(world.segment("buyers").await.state(), SegmentState::Live);
    world.play(&[world.did(1, "order_completed", json!({"total": 99}))]).await;
    assert!(world.members("buyers").await.is_empty());
    world.stage.advance(DAY).await;
    world
        .play(&[world.did(1, "order_completed", json!({"total": 5})), world.did(2, "page_viewed", json!({}))])
        .await;
    assert_eq!(world.members("buyers").await, [1]);
    world.stage.advance(6 * DAY - Duration::from_secs(1)).await;
    assert_eq!(world.members("buyers").await, [1], "a second before the end");
    world.stage.advance(Duration::from_secs(1)).await;
    assert!(world.members("buyers").await.is_empty(), "at the end");
    assert_eq!(world.told("buyers").await, ["entered 1 @86400", "exited 1 @604800"]);
}

#[tokio::test]
async fn silence_is_noticed_at_its_moment_and_ends_with_the_next_event() {
    let world = World::open().await;
    world.create("silent_30d", r#"events().within("30d").count() == 0"#).await;
    world.play(&[world.did(1, "customer.created", json!({})), world.did(1, "page_viewed", json!({}))]).await;
    world.play(&[world.did(2, "customer.created", json!({}))]).await;
    assert_eq!(world.members("silent_30d").await, [2], "who did something at once was never silent");
    world.stage.advance(10 * DAY).await;
    world.play(&[world.did(1, "page_viewed", json!({})), world.did(2, "page_viewed", json!({}))]).await;
    world.stage.advance(30 * DAY - Duration::from_secs(1)).await;
    assert!(world.members("silent_30d").await.is_empty());
    world.stage.advance(Duration::from_secs(1)).await;
    assert_eq!(world.members("silent_30d").await, [1, 2]);
    world.stage.advance(DAY).await;
    world.play(&[world.did(1, "message_replied", json!({"text": "在吗"}))]).await;
    assert_eq!(world.members("silent_30d").await, [2]);
    let told = world.told("silent_30d").await;
    assert_eq!(
        told,
        ["entered 2 @0", "exited 2 @864000", "entered 1 @3456000", "entered 2 @3456000", "exited 1 @3542400"]
    );
}

#[tokio::test]
async fn a_late_process_still_tells_the_moment_of_the_change() {
    let world = World::open().await;
    world.create("active", r#"events().within("1d").count() >= 1"#).await;
    world.play(&[world.did(1, "page_viewed", json!({}))]).await;
    world.stage.warp.advance_to(world.now().plus(5 * DAY));
    world.play(&[world.did(1, "page_viewed", json!({}))]).await;
    assert_eq!(world.told("active").await, ["entered 1 @0", "exited 1 @86400", "entered 1 @432000"]);
}

#[tokio::test]
async fn attributes_tags_and_other_segments_count() {
    let world = World::open().await;
    world.create("shanghai", r#"profile.city == "上海" && "vip" in tags"#).await;
    world.create("regulars", r#"in_segment("shanghai") && events("order_completed").count() >= 1"#).await;
    let city = |city: &str| json!({"attributes": {"city": city}, "priority": 0, "by": city});
    world
        .play(&[
            world.did(1, "profile.updated", city("上海")),
            world.did(1, "tag.added", json!({"tag": "vip", "source": "manual"})),
            world.did(1, "order_completed", json!({"total": 10})),
            world.did(2, "profile.updated", city("北京")),
            world.did(2, "tag.added", json!({"tag": "vip", "source": "manual"})),
        ])
        .await;
    assert_eq!(world.members("shanghai").await, [1]);
    assert_eq!(world.members("regulars").await, [1]);
    world.stage.advance(DAY).await;
    world
        .play(&[
            world.did(1, "tag.removed", json!({"tag": "vip"})),
            world.did(2, "profile.updated", city("上海")),
        ])
        .await;
    assert_eq!(world.members("shanghai").await, [2]);
    assert!(world.members("regulars").await.is_empty());
    assert_eq!(world.told("regulars").await, ["entered 1 @0", "exited 1 @86400"]);
}
