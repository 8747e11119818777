//! Tags: definitions, by hand, by condition, exclusive groups, expiry.

use kernel::Kind;
use serde_json::json;
use wire::event::Identifier;
use wire::profile::*;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::{GetSegmentRequest, Segment, SegmentKind};

use crate::world::*;

fn tag(key: &str, name: &str) -> Tag {
    Tag { key: key.into(), name: name.into(), ..Tag::default() }
}

async fn create(world: &World, tag: Tag) -> Tag {
    let request = CreateTagRequest { tag: Some(tag) };
    world.tags().create_tag(request).await.unwrap().into_inner().tag.unwrap()
}

async fn get(world: &World, key: &str) -> Tag {
    world.tags().get_tag(GetTagRequest { key: key.into() }).await.unwrap().into_inner().tag.unwrap()
}

async fn rule(world: &World, key: &str) -> Option<Segment> {
    let request = GetSegmentRequest { key: format!("tag:{key}") };
    SegmentationServiceClient::new(world.stage.client())
        .get_segment(request)
        .await
        .unwrap()
        .into_inner()
        .segment
}

fn add(customers: &[u32], keys: &[&str]) -> AddTagsRequest {
    AddTagsRequest {
        customer_ids: customers.iter().copied().map(customer).collect(),
        tag_keys: keys.iter().copied().map(str::to_owned).collect(),
        ..AddTagsRequest::default()
    }
}

fn remove(customers: &[u32], keys: &[&str]) -> RemoveTagsRequest {
    let AddTagsRequest { customer_ids, tag_keys, .. } = add(customers, keys);
    RemoveTagsRequest { customer_ids, tag_keys, ..RemoveTagsRequest::default() }
}

#[tokio::test]
async fn definitions_are_made_read_changed_and_deleted() {
    let mut world = World::with(1).await;
    let ttl = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let vip = Tag { group: "等级".into(), owner: "王芳".into(), ttl: Some(ttl), ..tag("vip", "贵宾") };
    let made = create(&world, vip.clone()).await;
    assert_eq!(made.created_at, Some(at(0).into()));
    assert_eq!(Tag { created_at: None, updated_at: None, ..made.clone() }, vip);
    assert_eq!(kind(world.tags().create_tag(CreateTagRequest { tag: Some(vip) }).await), Kind::AlreadyExists);
    world.advance(60).await;
    let request = UpdateTagRequest { tag: Some(tag("vip", "大客户")) };
    let changed = world.tags().update_tag(request).await.unwrap().into_inner().tag.unwrap();
    assert_eq!((changed.created_at, changed.updated_at), (made.created_at, Some(at(60).into())));
    assert_eq!(get(&world, "vip").await, changed);
    create(&world, tag("a", "甲")).await;
    create(&world, tag("b", "乙")).await;
    let mut request = ListTagsRequest { page_size: 2, page_token: String::new() };
    let first = world.tags().list_tags(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.tags.iter().map(|tag| tag.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    request.page_token = first.next_page_token;
    assert_eq!(world.tags().list_tags(request).await.unwrap().into_inner().tags, [changed]);
    world.tags().add_tags(add(&[1], &["vip", "a"])).await.unwrap();
    assert_eq!(get(&world, "vip").await.customers, 1);
    world.tags().delete_tag(DeleteTagRequest { key: "vip".into() }).await.unwrap();
    assert_eq!(world.tag_keys(1).await, ["a"]);
    assert_eq!(kind(world.tags().get_tag(GetTagRequest { key: "vip".into() }).await), Kind::NotFound);
    assert_eq!(world.told("tag.removed").await, [(customer(1), json!({"tag": "vip", "reason": "deleted"}))]);
    world = world.restarted().await;
    assert_eq!(create(&world, tag("vip", "贵宾")).await.customers, 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_named() {
    let world = World::with(0).await;
    let ttl = prost_types::Duration { seconds: -1, nanos: 0 };
    let wrong = Tag { exclusive: true, ttl: Some(ttl), ..tag("VIP", " ") };
    let answer = world.tags().create_tag(CreateTagRequest { tag: Some(wrong) }).await;
    assert_eq!(fields(answer), ["tag.key", "tag.name", "tag.group", "tag.ttl"]);
    let wrong = Tag { condition: "wrong".into(), ..tag("vip", "贵宾") };
    let answer = world.tags().create_tag(CreateTagRequest { tag: Some(wrong) }).await;
    assert_eq!(fields(answer), ["tag.condition"]);
    assert_eq!(kind(world.tags().get_tag(GetTagRequest { key: "vip".into() }).await), Kind::NotFound);
    create(&world, tag("vip", "贵宾")).await;
    let wrong = Tag { condition: "wrong".into(), ..tag("vip", "贵宾") };
    assert_eq!(
        fields(world.tags().update_tag(UpdateTagRequest { tag: Some(wrong) }).await),
        ["tag.condition"]
    );
    assert_eq!(get(&world, "vip").await.condition, "");
    let unknown = UpdateTagRequest { tag: Some(tag("nobody", "无")) };
    assert_eq!(kind(world.tags().update_tag(unknown).await), Kind::NotFound);
}

#[tokio::test]
async fn by_hand_only_real_changes_count_and_are_told() {
    let world = World::with(3).await;
    create(&world, tag("vip", "贵宾")).await;
    create(&world, tag("tour", "旅行")).await;
    let mut client = world.tags();
    let request =
        AddTagsRequest { reason: "展会".into(), source: "import".into(), ..add(&[1, 2], &["vip", "vip"]) };
    assert_eq!(client.add_tags(request.clone()).await.unwrap().into_inner().added, 2);
    assert_eq!(client.add_tags(request).await.unwrap().into_inner().added, 0);
    let told = json!({"tag": "vip", "source": "import", "reason": "展会"});
    assert_eq!(world.told("tag.added").await, [(customer(1), told.clone()), (customer(2), told)]);
    let profile = world.profile(1).await;
    let shown = &profile.tags[0];
    assert_eq!(
        (shown.name.as_str(), shown.source.as_str(), shown.reason.as_str()),
        ("贵宾", "import", "展会")
    );
    assert_eq!((shown.assigned_at, shown.expires_at, profile.version), (Some(at(0).into()), None, 1));
    let identifier = Some(Identifier { namespace: "user_id".into(), value: "u3".into() });
    let one = AddTagsRequest { identifier, tag_keys: vec!["tour".into()], ..AddTagsRequest::default() };
    assert_eq!(client.add_tags(one).await.unwrap().into_inner().added, 1);
    assert_eq!(world.tag_keys(3).await, ["tour"]);
    assert_eq!(client.remove_tags(remove(&[1, 3], &["vip"])).await.unwrap().into_inner().removed, 1);
    assert_eq!(client.remove_tags(remove(&[1, 3], &["vip"])).await.unwrap().into_inner().removed, 0);
    assert_eq!(world.told("tag.removed").await, [(customer(1), json!({"tag": "vip", "reason": ""}))]);
    assert_eq!(world.profile(1).await.version, 2);
}

#[tokio::test]
async fn what_is_wrong_with_an_assignment_is_named() {
    let world = World::with(1).await;
    create(&world, tag("travel_lover", "旅行爱好者")).await;
    let mut client = world.tags();
    let answer = client.add_tags(add(&[1], &["travel_lover", "travel_lovr"])).await;
    assert!(answer.as_ref().unwrap_err().message().contains("did you mean `travel_lover`?"));
    assert_eq!(fields(answer), ["tag_keys[1]"]);
    assert_eq!(fields(client.add_tags(add(&[1], &[])).await), ["tag_keys"]);
    assert_eq!(fields(client.add_tags(add(&[], &["travel_lover"])).await), ["customer_ids"]);
    assert_eq!(fields(client.add_tags(add(&[1; 1_001], &["travel_lover"])).await), ["customer_ids"]);
    assert_eq!(kind(client.add_tags(add(&[1, 9], &["travel_lover"])).await), Kind::NotFound);
    let ruled = AddTagsRequest { source: "rule".into(), ..add(&[1], &["travel_lover"]) };
    assert_eq!(fields(client.add_tags(ruled).await), ["source"]);
    let looped = AddTagsRequest { cause_depth: 16, ..add(&[1], &["travel_lover"]) };
    assert_eq!(kind(client.add_tags(looped).await), Kind::Precondition);
    assert!(world.tag_keys(1).await.is_empty());
}

#[tokio::test]
async fn the_newest_of_an_exclusive_group_stays() {
    let mut world = World::with(2).await;
    for key in ["gold", "silver"] {
        create(&world, Tag { group: "会员".into(), exclusive: true, ..tag(key, key) }).await;
    }
    let both = world.tags().add_tags(add(&[1], &["gold", "silver"])).await;
    assert_eq!(fields(both), ["tag_keys"]);
    world.tags().add_tags(add(&[1], &["silver"])).await.unwrap();
    world.tags().add_tags(add(&[1], &["gold"])).await.unwrap();
    assert_eq!(world.tag_keys(1).await, ["gold"]);
    assert_eq!(
        world.told("tag.removed").await,
        [(customer(1), json!({"tag": "silver", "reason": "exclusive"}))]
    );
    world.advance(10).await;
    world.tags().add_tags(add(&[2], &["silver"])).await.unwrap();
    world.play(vec![moved("customer.merged", 1, 2, 20)]).await;
    assert_eq!(world.tag_keys(1).await, ["silver"], "a merge hides the older");
    world.play(vec![moved("customer.split", 1, 2, 30)]).await;
    assert_eq!(
        (world.tag_keys(1).await, world.tag_keys(2).await),
        (vec!["gold".into()], vec!["silver".into()])
    );
}

#[tokio::test]
async fn assignments_end_with_their_time_also_after_a_restart() {
    let world = World::with(1).await;
    let ttl = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    create(&world, Tag { ttl, ..tag("hot", "近期活跃") }).await;
    create(&world, tag("vip", "贵宾")).await;
    world.tags().add_tags(add(&[1], &["hot", "vip"])).await.unwrap();
    assert_eq!(world.profile(1).await.tags[0].expires_at, Some(at(3_600).into()));
    world.advance(3_599).await;
    assert_eq!(world.tag_keys(1).await, ["hot", "vip"]);
    let world = world.restarted().await;
    world.advance(1).await;
    assert_eq!(world.tag_keys(1).await, ["vip"]);
    assert_eq!(world.told("tag.removed").await, [(customer(1), json!({"tag": "hot", "reason": "expired"}))]);
}

#[tokio::test]
async fn a_condition_puts_a_tag_on_and_takes_it_off() {
    let mut world = World::with(2).await;
    let condition = r#"events("product_viewed", e.properties.category == "travel").count() >= 3"#;
    create(&world, Tag { condition: condition.into(), ..tag("tour", "旅行爱好者") }).await;
    let segment = rule(&world, "tour").await.unwrap();
    assert_eq!((segment.condition.as_str(), segment.kind), (condition, SegmentKind::Rule.into()));
    let ruled = |n, id: &str, name: &str, seconds| of(n, id, name, seconds, json!({"rule": "tag:tour"}));
    world
        .play(vec![
            ruled(1, "r1", "rule.entered", 5),
            ruled(1, "r2", "rule.entered", 6),
            ruled(2, "r3", "rule.entered", 7),
            ruled(2, "r4", "rule.exited", 8),
            of(2, "r5", "rule.entered", 9, json!({"rule": "tag:unknown"})),
        ])
        .await;
    let told = json!({"tag": "tour", "source": "rule", "reason": ""});
    assert_eq!(world.told("tag.added").await, [(customer(1), told.clone()), (customer(2), told)]);
    assert_eq!(world.told("tag.removed").await, [(customer(2), json!({"tag": "tour", "reason": "rule"}))]);
    assert_eq!((world.tag_keys(1).await, world.tag_keys(2).await), (vec!["tour".to_owned()], vec![]));
    assert_eq!(kind(world.tags().add_tags(add(&[2], &["tour"])).await), Kind::Precondition);
    assert_eq!(kind(world.tags().remove_tags(remove(&[1], &["tour"])).await), Kind::Precondition);
    world.tags().delete_tag(DeleteTagRequest { key: "tour".into() }).await.unwrap();
    assert_eq!((rule(&world, "tour").await, world.tag_keys(1).await.len()), (None, 0));
}

#[tokio::test]
async fn a_tag_that_gets_or_loses_its_condition_keeps_what_fits() {
    let mut world = World::with(2).await;
    create(&world, tag("tour", "旅行")).await;
    world.tags().add_tags(add(&[1, 2], &["tour"])).await.unwrap();
    world.play(vec![of(1, "r1", "rule.entered", 5, json!({"rule": "tag:tour"}))]).await;
    let with = Tag { condition: "profile.city == \"上海\"".into(), ..tag("tour", "旅行") };
    world.tags().update_tag(UpdateTagRequest { tag: Some(with) }).await.unwrap();
    assert!(rule(&world, "tour").await.is_some());
    assert_eq!(
        world.told("tag.removed").await,
        [(customer(2), json!({"tag": "tour", "reason": "condition"}))]
    );
    assert_eq!(world.tag_keys(1).await, ["tour"]);
    world.tags().update_tag(UpdateTagRequest { tag: Some(tag("tour", "旅行")) }).await.unwrap();
    assert_eq!(rule(&world, "tour").await, None);
    assert_eq!(world.told("tag.removed").await.len(), 2);
    assert_eq!(world.tags().add_tags(add(&[1], &["tour"])).await.unwrap().into_inner().added, 1);
}
