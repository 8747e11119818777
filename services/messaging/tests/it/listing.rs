//! Lists of messages: by customer, channel and state, newest first, in pages.

use serde_json::json;
use wire::event::Identifier;
use wire::messaging as pb;
use wire::messaging::MessageState as State;
use wire::messaging::list_messages_request::Customer;

use crate::world::{World, customer_id, request, somebody};

#[tokio::test]
async fn messages_are_found_by_customer_channel_and_state() {
    let mut world = World::open().await;
    let mut people =
        vec![somebody(1, &["user_id=u1"], json!({})), somebody(2, &["user_id=u2"], json!({"name": "李雷"}))];
    people[1].aliases.push(customer_id(7));
    world.know(&people);
    world.sandbox("a").await;
    world.sandbox("b").await;
    world.template("t", "{{ profile.name }}").await;
    let mut ids = Vec::new();
    for (key, n, channel) in [("1", 1, "a"), ("2", 2, "a"), ("3", 2, "b"), ("4", 2, "a")] {
        ids.push(world.sent(request(key, n, &[channel], "t")).await.message_id);
    }
    let mut list = async |request: pb::ListMessagesRequest| {
        let (mut found, mut request) = (Vec::new(), pb::ListMessagesRequest { page_size: 1, ..request });
        loop {
            let answer = world.api.list_messages(request.clone()).await.unwrap().into_inner();
            found.extend(answer.messages.into_iter().map(|message| message.idempotency_key));
            if answer.next_page_token.is_empty() {
                return found.join("");
            }
            request.page_token = answer.next_page_token;
        }
    };
    let all = pb::ListMessagesRequest::default();
    assert_eq!(list(all.clone()).await, "4321");
    let identifier = Identifier { namespace: "user_id".into(), value: "u2".into() };
    let of_u2 = pb::ListMessagesRequest { customer: Some(Customer::Identifier(identifier)), ..all.clone() };
    assert_eq!(list(of_u2).await, "432");
    let of_alias = Some(Customer::CustomerId(customer_id(7)));
    let on_a = pb::ListMessagesRequest { customer: of_alias, channel: "a".into(), ..all.clone() };
    assert_eq!(list(on_a).await, "42");
    assert_eq!(list(pb::ListMessagesRequest { state: State::Failed.into(), ..all.clone() }).await, "1");
    let nobody = pb::ListMessagesRequest { customer: Some(Customer::CustomerId(customer_id(99))), ..all };
    assert_eq!(world.api.list_messages(nobody).await.unwrap_err().code(), tonic::Code::NotFound);
    let unknown = pb::GetMessageRequest { message_id: customer_id(1) };
    assert_eq!(world.api.get_message(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
}
