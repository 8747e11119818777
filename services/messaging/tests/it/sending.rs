//! Asking for messages: durable, once per key, with facts on the log.

use serde_json::json;
use wire::messaging as pb;
use wire::messaging::MessageState as State;
use wire::messaging::send_message_request::Customer;

use crate::world::{World, customer_id, record_id, request, somebody, violations};

#[tokio::test]
async fn a_message_is_queued_rendered_sent_and_told() {
    let mut world = World::open().await;
    world.know(&[somebody(1, &["email=lilei@example.com"], json!({"name": "李雷"}))]);
    world.sandbox("box").await;
    world.template("welcome", "感谢关注,{{ profile.name | default('朋友') }}!{{ vars.code }}").await;
    let mut asked = request("k1", 1, &["box"], "welcome");
    asked.variables = Some(chassis::values::to_struct(json!({"code": "GX88"}).as_object().unwrap().clone()));
    let queued = world.send(asked).await;
    assert_eq!(queued.state(), State::Queued);
    world.stage.settled().await;
    let sent = world.message(&queued.message_id).await;
    assert_eq!((sent.state(), sent.content.unwrap().text.as_str()), (State::Sent, "感谢关注,李雷!GX88"));
    assert_eq!(sent.attempts.len(), 1);
    let facts = world.facts().await;
    let names: Vec<&str> = facts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["message.queued", "message.sent"]);
    let expected = json!({
        "message_id": queued.message_id, "channel": "box", "kind": "sandbox", "template": "welcome", "purpose": "service",
    });
    assert_eq!(facts[1].1, expected);
    let fact = &world.events().await[1];
    assert_eq!((fact.customer_id.clone(), fact.record_id.clone()), (customer_id(1), record_id(1)));
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named() {
    let mut world = World::open().await;
    world.sandbox("box").await;
    let wrong = pb::SendMessageRequest {
        idempotency_key: "键".into(),
        customer: Some(Customer::CustomerId("x".into())),
        channels: vec!["box".into(), "nowhere".into(), "box".into()],
        body: Some(pb::send_message_request::Body::Template("none".into())),
        ..pb::SendMessageRequest::default()
    };
    let refused = world.api.send_message(wrong).await.unwrap_err();
    let fields: Vec<String> = violations(&refused).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["idempotency_key", "channels[1]", "channels[2]", "template", "customer_id"]);
    let refused = world.api.send_message(pb::SendMessageRequest::default()).await.unwrap_err();
    assert_eq!(violations(&refused).len(), 4);
}

#[tokio::test]
async fn an_event_says_who_it_was_and_keeps_the_chain_of_causes() {
    let mut world = World::open().await;
    world.sandbox("box").await;
    world.template("t", "您的订单 {{ event.order_id }}").await;
    // Nobody knows this customer but the event: neither identity nor profile is needed to accept it.
    let event = wire::event::Event {
        id: "e1".into(),
        customer_id: customer_id(5),
        record_id: record_id(8),
        properties: Some(chassis::values::to_struct(
            json!({"order_id": "A100"}).as_object().unwrap().clone(),
        )),
        depth: 3,
        ..wire::event::Event::default()
    };
    let asked = pb::SendMessageRequest { event: Some(event.clone()), ..request("k", 5, &["box"], "t") };
    let message = world.sent(asked).await;
    assert_eq!(
        (message.requested_by.as_str(), message.content.unwrap().text.as_str()),
        ("dev", "您的订单 A100")
    );
    for fact in world.events().await {
        assert_eq!((fact.cause_id.as_str(), fact.depth, fact.record_id.clone()), ("e1", 4, record_id(8)));
    }
    let deep =
        pb::SendMessageRequest { cause_id: "e2".into(), cause_depth: 16, ..request("k2", 5, &["box"], "t") };
    let deep = pb::SendMessageRequest { event: Some(event), ..deep };
    assert_eq!(world.api.send_message(deep).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
}

#[tokio::test]
async fn customers_too_large_for_one_answer_keep_nobody_waiting() {
    let mut world = World::open().await;
    let large = |megabytes: usize| json!({ "bio": "大".repeat(megabytes * 350_000), "name": "李雷" });
    let mut people = vec![somebody(1, &[], json!({ "name": "韩梅梅" }))];
    people.extend((2..=4).map(|n| somebody(n, &[], large(6))));
    people.push(somebody(5, &[], large(17)));
    world.know(&people);
    world.sandbox("box").await;
    world.template("hello", "你好,{{ profile.name }}").await;
    let requests = (1..=5).map(|n| request(&format!("k{n}"), n, &["box"], "hello")).collect();
    let accepted = world.api.send_messages(pb::SendMessagesRequest { requests }).await.unwrap().into_inner();
    world.stage.settled().await;
    let mut states = Vec::new();
    for result in accepted.results {
        states.push(world.message(&result.message.unwrap().message_id).await);
    }
    let sent = states[..4].iter().all(|message| message.state() == State::Sent);
    assert!(sent, "{states:?}");
    assert_eq!((states[4].state(), states[4].reason.as_str()), (State::Failed, "CUSTOMER_UNREADABLE"));
    assert!(states[4].attempts[0].detail.contains("too large"), "{:?}", states[4]);
}

#[tokio::test]
async fn given_content_needs_no_template_and_an_identifier_no_id() {
    let mut world = World::open().await;
    world.know(&[somebody(1, &["phone=13800138000"], json!({}))]);
    world.sandbox("box").await;
    let identifier = wire::event::Identifier { namespace: "phone".into(), value: "13800138000".into() };
    let content = pb::Content { text: "{{ 原样 }}".into(), ..pb::Content::default() };
    let asked = pb::SendMessageRequest {
        customer: Some(Customer::Identifier(identifier)),
        body: Some(pb::send_message_request::Body::Content(content)),
        ..request("k", 1, &["box"], "")
    };
    let message = world.sent(asked.clone()).await;
    assert_eq!((message.customer_id, message.content.unwrap().text.as_str()), (customer_id(1), "{{ 原样 }}"));
    let nobody = wire::event::Identifier { namespace: "phone".into(), value: "1".into() };
    let nobody = pb::SendMessageRequest {
        idempotency_key: "k2".into(),
        customer: Some(Customer::Identifier(nobody)),
        ..asked
    };
    assert_eq!(world.api.send_message(nobody).await.unwrap_err().code(), tonic::Code::NotFound);
}
