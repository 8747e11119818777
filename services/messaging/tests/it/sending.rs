//! Asking for messages: durable, once per key, with facts on the log.

use serde_json::json;
use wire::messaging as pb;
use wire::messaging::MessageState as State;

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
