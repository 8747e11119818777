//! Tiers partition all customers.

use std::time::Duration;

use serde_json::json;
use wire::segmentation::*;

use super::world::World;

const VALUE: [(&str, &str); 3] = [
    ("high", r#"events("order_completed").within("30d").sum("total") > 5000"#),
    ("middle", r#"events("order_completed").within("30d").sum("total") > 1000"#),
    ("low", ""),
];

fn counts(counts: &[(&str, i64)]) -> Vec<(String, i64)> {
    counts.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

#[tokio::test]
async fn everybody_is_in_exactly_one_tier() {
    let world = World::open().await;
    world.play(&[world.did(1, "order_completed", json!({"total": 6000}))]).await;
    world.set_tiers("value", &VALUE).await;
    assert_eq!(world.distribution("value").await, counts(&[("high", 1), ("middle", 0), ("low", 0)]));
    world
        .play(&[
            world.did(2, "page_viewed", json!({})),
            world.did(3, "order_completed", json!({"total": 1001})),
        ])
        .await;
    assert_eq!(world.distribution("value").await, counts(&[("high", 1), ("middle", 1), ("low", 1)]));
    world.stage.advance(Duration::from_secs(30 * 86_400)).await;
    assert_eq!(world.distribution("value").await, counts(&[("high", 0), ("middle", 0), ("low", 3)]));
}

#[tokio::test]
async fn a_changed_tier_set_moves_everybody_and_loses_nobody() {
    let world = World::open().await;
    world.set_tiers("value", &VALUE).await;
    for (person, total) in [(1, 6000), (2, 2000), (3, 100)] {
        world.play(&[world.did(person, "order_completed", json!({"total": total}))]).await;
    }
    let tier = |key: &str, condition: &str| Tier {
        key: key.to_owned(),
        name: key.to_owned(),
        condition: condition.to_owned(),
    };
    let tiers = vec![
        tier("high", r#"events("order_completed").within("30d").sum("total") > 1500"#),
        tier("rest", ""),
    ];
    let tier_set = TierSet { key: "value".to_owned(), tiers, ..TierSet::default() };
    world.api.clone().update_tier_set(UpdateTierSetRequest { tier_set: Some(tier_set) }).await.unwrap();
    world.stage.settled().await;
    assert_eq!(world.distribution("value").await, counts(&[("high", 2), ("rest", 1)]));
    let listed = world.api.clone().list_tier_sets(ListTierSetsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.tier_sets.iter().map(|set| set.state()).collect::<Vec<_>>(), [SegmentState::Live]);
    world.api.clone().delete_tier_set(DeleteTierSetRequest { key: "value".to_owned() }).await.unwrap();
    let ask = GetTierSetRequest { key: "value".to_owned() };
    assert_eq!(world.api.clone().get_tier_set(ask).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn tiers_that_are_no_partition_are_refused() {
    let world = World::open().await;
    let tier = |key: &str, condition: &str| Tier {
        key: key.to_owned(),
        name: String::new(),
        condition: condition.to_owned(),
    };
    for (tiers, field) in [
        (vec![], "tier_set.tiers"),
        (vec![tier("a", "true")], "tier_set.tiers[0].condition"),
        (vec![tier("a", ""), tier("b", "")], "tier_set.tiers[0].condition"),
        (vec![tier("a", "true"), tier("a", "")], "tier_set.tiers[1].key"),
        (vec![tier("a", "1 +"), tier("b", "")], "tier_set.tiers[0].condition"),
    ] {
        let tier_set = TierSet { key: "value".to_owned(), tiers, ..TierSet::default() };
        let ask = CreateTierSetRequest { tier_set: Some(tier_set) };
        let status = world.api.clone().create_tier_set(ask).await.unwrap_err();
        let error = chassis::status::from_status(&status);
        assert_eq!(error.violations.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), [field]);
    }
}
