//! Lists of profiles: orders, filters here and in segmentation, pages.

use serde_json::json;
use wire::profile::*;

use crate::world::*;

async fn listed(world: &World, filter: &str, order: ProfileOrder, size: i32) -> Vec<String> {
    let mut request = ListProfilesRequest {
        filter: filter.into(),
        order: order.into(),
        page_size: size,
        ..Default::default()
    };
    let mut ids = Vec::new();
    loop {
        let answer = world.profiles().list_profiles(request.clone()).await.unwrap().into_inner();
        ids.extend(answer.profiles.into_iter().map(|profile| profile.customer_id));
        if answer.next_page_token.is_empty() {
            return ids;
        }
        request.page_token = answer.next_page_token;
    }
}

async fn world() -> World {
    let mut world = World::with(5).await;
    let cities = ["上海", "北京", "上海", "广州", "上海"];
    let traits = (1..).zip(cities).map(|(n, city)| {
        identified(n, &format!("e{n}"), i64::from(10 * (6 - n)), 0, json!({"city": city, "level": n}))
    });
    world.play(traits.collect()).await;
    world
        .play(vec![
            of(3, "b3", "order_completed", 100, json!({})),
            of(4, "b4", "order_completed", 5, json!({})),
        ])
        .await;
    world.play(vec![moved("customer.merged", 2, 3, 110)]).await;
    world
}

#[tokio::test]
async fn in_both_orders_whatever_the_page() {
    let world = world().await;
    let ids = |all: &[u32]| all.iter().copied().map(customer).collect::<Vec<_>>();
    for size in [1, 2, 50] {
        assert_eq!(listed(&world, "", ProfileOrder::Created, size).await, ids(&[1, 2, 4, 5]));
        assert_eq!(listed(&world, "", ProfileOrder::LastSeen, size).await, ids(&[2, 1, 4, 5]));
        let both = r#"profile.city == "上海" && profile.level > 1"#;
        assert_eq!(listed(&world, both, ProfileOrder::LastSeen, size).await, ids(&[5]));
        let bought = r#"events("order_completed").count() > 0"#;
        assert_eq!(listed(&world, bought, ProfileOrder::Created, size).await, ids(&[2, 4]));
    }
    let everything = ListProfilesRequest::default();
    let found = world.profiles().list_profiles(everything).await.unwrap().into_inner().profiles;
    let merged = &found[1];
    assert_eq!(attributes(merged), json!({"city": "北京", "level": 2}), "the later statement wins");
    assert_eq!((merged.identifiers.len(), merged.segments.len()), (2, 0));
}

#[tokio::test]
async fn by_tag() {
    let world = world().await;
    let tag = Tag { key: "vip".into(), name: "贵宾".into(), ..Tag::default() };
    world.tags().create_tag(CreateTagRequest { tag: Some(tag) }).await.unwrap();
    let request = AddTagsRequest {
        customer_ids: vec![customer(3), customer(5)],
        tag_keys: vec!["vip".into()],
        ..AddTagsRequest::default()
    };
    world.tags().add_tags(request).await.unwrap();
    assert_eq!(
        listed(&world, r#""vip" in tags"#, ProfileOrder::Created, 50).await,
        [customer(2), customer(5)]
    );
    let not = r#"!("vip" in tags) && profile.level >= 4"#;
    assert_eq!(listed(&world, not, ProfileOrder::Created, 50).await, [customer(4)]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::with(1).await;
    let ask = |filter: &str, order: i32, page_token: &str| ListProfilesRequest {
        filter: filter.into(),
        order,
        page_token: page_token.into(),
        ..ListProfilesRequest::default()
    };
    let mut client = world.profiles();
    let answer = client.list_profiles(ask("profile.city ==", 0, "")).await;
    assert!(answer.as_ref().unwrap_err().message().contains("line 1, column"), "{answer:?}");
    assert_eq!(fields(answer), ["filter"]);
    assert_eq!(fields(client.list_profiles(ask(r#""nobody" in tags"#, 0, "")).await), ["filter"]);
    assert_eq!(fields(client.list_profiles(ask("", 7, "")).await), ["order"]);
    assert_eq!(fields(client.list_profiles(ask("", 0, "eA")).await), ["page_token"]);
    let last_seen = ask("events().count() > 0", ProfileOrder::LastSeen.into(), "");
    assert_eq!(fields(client.list_profiles(last_seen).await), ["order"]);
}
