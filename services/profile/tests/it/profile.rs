//! Attributes: from events, by hand, across restarts.

use chassis::values::to_struct;
use kernel::Kind;
use serde_json::{Value, json};
use wire::event::Identifier;
use wire::profile::*;

use crate::world::*;

fn update(n: u32, attributes: Value) -> UpdateProfileRequest {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    UpdateProfileRequest {
        customer: Some(update_profile_request::Customer::CustomerId(customer(n))),
        attributes: Some(to_struct(attributes)),
        ..UpdateProfileRequest::default()
    }
}

#[tokio::test]
async fn traits_become_attributes_and_older_statements_lose() {
    let mut world = World::with(1).await;
    world
        .play(vec![identified(
            1,
            "e1",
            10,
            0,
            json!({"city": "上海", "email": "li@example.com", "level": 3}),
        )])
        .await;
    world
        .play(vec![
            identified(1, "e2", 5, 9, json!({"city": "北京", "name": "李雷"})),
            identified(1, "e3", 20, 0, json!({"level": null})),
            of(1, "e4", "product_viewed", 30, json!({"category": "travel"})),
        ])
        .await;
    let profile = world.profile(1).await;
    assert_eq!(attributes(&profile), json!({"city": "上海", "email": "li@example.com", "name": "李雷"}));
    assert_eq!((profile.first_seen_at, profile.last_seen_at), (Some(at(0).into()), Some(at(30).into())));
    assert_eq!(profile.segments, ["everybody"]);
    assert_eq!(profile.identifiers, [Identifier { namespace: "user_id".into(), value: "u1".into() }]);
    let told = world.told("profile.updated").await;
    let told: Vec<Value> = told.into_iter().map(|(_, properties)| properties).collect();
    assert_eq!(
        told,
        [
            json!({"attributes": {"city": "上海", "email": "li@example.com", "level": 3}, "priority": 0, "by": "e1"}),
            json!({"attributes": {"name": "李雷"}, "priority": 9, "by": "e2"}),
            json!({"attributes": {"level": null}, "priority": 0, "by": "e3"}),
        ]
    );
    assert_eq!(profile.version, 3);
}

#[tokio::test]
async fn nothing_is_lost_by_a_restart() {
    let mut world = World::with(1).await;
    world.play(vec![identified(1, "e1", 10, 0, json!({"city": "上海"}))]).await;
    let mut first = update(1, json!({"level": 3}));
    first.idempotency_key = "k1".to_owned();
    let answer = world.profiles().update_profile(first.clone()).await.unwrap().into_inner();
    let profile = world.profile(1).await;
    let mut world = world.restarted().await;
    assert_eq!(world.profile(1).await, profile);
    assert_eq!(world.profiles().update_profile(first).await.unwrap().into_inner(), answer);
    world.play(vec![identified(1, "e2", 20, 0, json!({"city": "杭州"}))]).await;
    assert_eq!(world.attributes(1).await, json!({"city": "杭州", "level": 3}));
}

#[tokio::test]
async fn an_update_is_a_merge_patch_with_version_and_idempotency() {
    let mut world = World::with(1).await;
    world.play(vec![identified(1, "e1", -10, 5, json!({"city": "上海", "level": 3}))]).await;
    let mut client = world.profiles();
    let mut first = update(1, json!({"city": "杭州", "level": null, "tags_wanted": ["旅行"]}));
    (first.expected_version, first.idempotency_key) = (1, "k1".to_owned());
    let answer = client.update_profile(first.clone()).await.unwrap().into_inner().profile.unwrap();
    assert_eq!(attributes(&answer), json!({"city": "杭州", "tags_wanted": ["旅行"]}));
    assert_eq!(answer.version, 2);
    let again = client.update_profile(first.clone()).await.unwrap().into_inner().profile.unwrap();
    assert_eq!(again, answer);
    assert_eq!(world.told("profile.updated").await.len(), 2);
    let other =
        UpdateProfileRequest { attributes: update(1, json!({"city": "苏州"})).attributes, ..first.clone() };
    assert_eq!(kind(client.update_profile(other.clone()).await), Kind::Precondition);
    let stale = UpdateProfileRequest { idempotency_key: String::new(), ..other };
    assert_eq!(kind(client.update_profile(stale).await), Kind::Aborted);
    assert_eq!(world.attributes(1).await["city"], "杭州");
}

#[tokio::test]
async fn a_merge_in_between_does_not_make_it_another_request() {
    let mut world = World::with(3).await;
    let asked =
        |n| UpdateProfileRequest { idempotency_key: "k".to_owned(), ..update(n, json!({"level": 3})) };
    let mut client = world.profiles();
    let answer = client.update_profile(asked(2)).await.unwrap().into_inner();
    assert_eq!(kind(client.update_profile(asked(1)).await), Kind::Precondition);
    world.play(vec![moved("customer.merged", 1, 2, 5)]).await;
    for name in [1, 2] {
        assert_eq!(client.update_profile(asked(name)).await.unwrap().into_inner(), answer);
    }
    assert_eq!(kind(client.update_profile(asked(3)).await), Kind::Precondition);
    assert_eq!(world.told("profile.updated").await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::with(1).await;
    let mut client = world.profiles();
    let long = "长".repeat(6_000);
    let wrong = update(1, json!({"ok": 1, "bio": long, "": 1}));
    assert_eq!(fields(client.update_profile(wrong).await), ["attributes.", "attributes.bio"]);
    assert_eq!(fields(client.update_profile(update(1, json!({}))).await), ["attributes"]);
    let nobody = UpdateProfileRequest { customer: None, ..update(1, json!({"a": 1})) };
    assert_eq!(fields(client.update_profile(nobody).await), ["customer_id"]);
    let looped = UpdateProfileRequest { cause_id: "e".into(), cause_depth: 16, ..update(1, json!({"a": 1})) };
    assert_eq!(kind(client.update_profile(looped).await), Kind::Precondition);
    assert_eq!(kind(client.update_profile(update(9, json!({"a": 1}))).await), Kind::NotFound);
    let many = (0..501).map(|n| (format!("a{n:03}"), Value::from(n))).collect::<serde_json::Map<_, _>>();
    assert_eq!(fields(client.update_profile(update(1, many.into())).await), ["attributes.a500"]);
    assert_eq!(world.attributes(1).await, json!({}));
}

#[tokio::test]
async fn traits_beyond_a_limit_are_left_out_and_counted() {
    let mut world = World::with(1).await;
    let long = "长".repeat(6_000);
    world.play(vec![identified(1, "e1", 1, 0, json!({"bio": long, "city": "上海"}))]).await;
    assert_eq!(world.attributes(1).await, json!({"city": "上海"}));
    assert!(world.stage.running.metrics.render().contains("profile_traits_refused_total 1"));
}

#[tokio::test]
async fn many_at_once_and_by_identifier() {
    let mut world = World::with(3).await;
    world.play(vec![identified(2, "e1", 1, 0, json!({"city": "广州"}))]).await;
    world.play(vec![moved("customer.merged", 1, 2, 5)]).await;
    let ids = vec![customer(3), customer(2), customer(9), customer(1)];
    let found = world.profiles().batch_get_profiles(BatchGetProfilesRequest { customer_ids: ids }).await;
    let found = found.unwrap().into_inner().profiles;
    assert_eq!(found.iter().map(|p| p.customer_id.clone()).collect::<Vec<_>>(), [customer(3), customer(1)]);
    assert_eq!(attributes(&found[1]), json!({"city": "广州"}));
    let identifier = Identifier { namespace: "user_id".into(), value: "u2".into() };
    let request = GetProfileRequest { customer: Some(get_profile_request::Customer::Identifier(identifier)) };
    let profile = world.profiles().get_profile(request).await.unwrap().into_inner().profile.unwrap();
    assert_eq!(profile.customer_id, customer(1));
    let many = BatchGetProfilesRequest { customer_ids: vec![customer(1); 1_001] };
    assert_eq!(fields(world.profiles().batch_get_profiles(many).await), ["customer_ids"]);
}

#[tokio::test]
async fn late_moves_read_again_change_nothing() {
    let mut world = World::with(2).await;
    let merged = moved("customer.merged", 1, 2, 5);
    world.play(vec![merged.clone(), moved("customer.split", 1, 2, 9), merged]).await;
    world.play(vec![identified(2, "e1", 20, 0, json!({"city": "成都"}))]).await;
    let told = world.told("profile.updated").await;
    assert_eq!(told[0].0, customer(2), "the record is its own customer's again");
}
