//! The same key again: the same message, whoever asks and however many.

use serde_json::json;
use tokio::task::JoinSet;
use wire::messaging as pb;
use wire::messaging::MessageState as State;

use crate::world::{World, customer_id, record_id, request, somebody};

async fn ready() -> World {
    let mut world = World::open().await;
    world.know(&(1..=3).map(|n| somebody(n, &[], json!({}))).collect::<Vec<_>>());
    world.sandbox("box").await;
    world.template("hello", "你好").await;
    world
}

#[tokio::test]
async fn sixty_four_at_once_make_one_message() {
    let world = ready().await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let mut api = world.api.clone();
        calls.spawn(async move {
            api.send_message(request("once", 1, &["box"], "hello")).await.unwrap().into_inner()
        });
    }
    let answers = calls.join_all().await;
    let first = &answers[0].message.as_ref().unwrap().message_id;
    assert!(answers.iter().all(|answer| &answer.message.as_ref().unwrap().message_id == first));
    let names: Vec<String> = world.facts().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["message.queued", "message.sent"]);
}

#[tokio::test]
async fn another_message_under_the_same_key_is_refused() {
    let mut world = ready().await;
    world.send(request("k", 1, &["box"], "hello")).await;
    let refused = world.api.send_message(request("k", 2, &["box"], "hello")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::AlreadyExists);
    assert!(refused.message().contains("idempotency key"), "{refused}");
    // The traces of its cause do not make it another message.
    let traced = pb::SendMessageRequest {
        cause_id: "e9".into(),
        cause_depth: 3,
        ..request("k", 1, &["box"], "hello")
    };
    world.send(traced).await;
    world.stage.settled().await;
    assert_eq!(world.facts().await.len(), 2);
}

#[tokio::test]
async fn a_merge_or_a_split_in_between_does_not_make_it_another_message() {
    let mut world = ready().await;
    let first = world.send(request("k", 1, &["box"], "hello")).await.message_id;
    let by_identifier = |key: &str| {
        let identifier = wire::event::Identifier { namespace: "user_id".into(), value: "u1".into() };
        let customer = Some(pb::send_message_request::Customer::Identifier(identifier));
        pb::SendMessageRequest { customer, ..request(key, 1, &["box"], "hello") }
    };
    let mut survivor = somebody(2, &["user_id=u1"], json!({}));
    (survivor.aliases, survivor.records) = (vec![customer_id(1)], vec![record_id(1)]);
    world.know(&[survivor, somebody(3, &[], json!({}))]);
    for again in [request("k", 2, &["box"], "hello"), request("k", 1, &["box"], "hello"), by_identifier("k")]
    {
        assert_eq!(world.send(again).await.message_id, first);
    }
    let second = world.send(request("l", 2, &["box"], "hello")).await.message_id;
    assert_eq!(world.send(by_identifier("l")).await.message_id, second);
    world.template("other", "再见").await;
    for other in [request("k", 3, &["box"], "hello"), request("k", 2, &["box"], "other")] {
        let refused = world.api.send_message(other).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::AlreadyExists, "{refused}");
    }
    // After the split the message is the first one's again, and not the second one's.
    world.know(&(1..=3).map(|n| somebody(n, &[], json!({}))).collect::<Vec<_>>());
    assert_eq!(world.send(request("k", 1, &["box"], "hello")).await.message_id, first);
    let refused = world.api.send_message(request("k", 2, &["box"], "hello")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::AlreadyExists, "{refused}");
    world.stage.settled().await;
    assert_eq!(world.facts().await.iter().filter(|(name, _)| name == "message.sent").count(), 2);
}

#[tokio::test]
async fn what_was_accepted_stays_so_when_what_it_names_is_deleted() {
    let mut world = ready().await;
    let first = world.send(request("k", 1, &["box"], "hello")).await.message_id;
    world.stage.settled().await;
    world.api.delete_template(pb::DeleteTemplateRequest { key: "hello".into() }).await.unwrap();
    world.api.delete_channel(pb::DeleteChannelRequest { key: "box".into() }).await.unwrap();
    assert_eq!(world.send(request("k", 1, &["box"], "hello")).await.message_id, first);
    let new = world.api.send_message(request("l", 1, &["box"], "hello")).await.unwrap_err();
    assert_eq!(new.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn a_batch_answers_each_request_in_its_place() {
    let mut world = ready().await;
    world.send(request("old", 3, &["box"], "hello")).await;
    let mut nobody = request("c", 1, &["box"], "hello");
    nobody.customer = Some(pb::send_message_request::Customer::CustomerId(crate::world::customer_id(99)));
    let requests = vec![
        request("a", 1, &["box"], "hello"),
        request("b", 1, &["nowhere"], "hello"),
        request("a", 1, &["box"], "hello"),
        request("a", 2, &["box"], "hello"),
        nobody,
        request("old", 3, &["box"], "hello"),
    ];
    let answer = world.api.send_messages(pb::SendMessagesRequest { requests }).await.unwrap().into_inner();
    let reasons: Vec<&str> = answer.results.iter().map(|result| result.reason.as_str()).collect();
    assert_eq!(reasons, ["", "INVALID_ARGUMENT", "", "IDEMPOTENCY_KEY_REUSED", "NOT_FOUND", ""]);
    let id = |n: usize| answer.results[n].message.as_ref().unwrap().message_id.clone();
    assert_eq!(id(0), id(2));
    assert!(answer.results[1].error.contains("channels[0]"), "{}", answer.results[1].error);
    world.stage.settled().await;
    assert_eq!(world.message(&id(0)).await.state(), State::Sent);
    let sent = world.facts().await.into_iter().filter(|(name, _)| name == "message.sent").count();
    assert_eq!(sent, 2);
}
