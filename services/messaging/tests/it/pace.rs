//! Rates and back-off, on the virtual clock.

use std::time::Duration;

use serde_json::json;
use wire::messaging::{
    ChannelKind, Limits, MessageState as State, SendMessagesRequest, UpdateChannelRequest,
};

use crate::receiver::Receiver;
use crate::world::{World, channel, request, somebody};

async fn queue(world: &mut World, count: u32) {
    for first in (1..=count).step_by(500) {
        let last = (first + 499).min(count);
        let requests = (first..=last).map(|n| request(&format!("k{n}"), 1, &["box"], "hello")).collect();
        world.api.send_messages(SendMessagesRequest { requests }).await.unwrap();
    }
    world.stage.settled().await;
}

async fn sent(world: &World) -> f64 {
    world.facts().await.into_iter().filter(|(name, _)| name == "message.sent").count() as f64
}

#[tokio::test]
async fn a_rate_is_kept_within_one_per_cent() {
    let mut world = World::open().await;
    world.know(&[somebody(1, &[], json!({}))]);
    world.channel("box", ChannelKind::Sandbox, json!({}), "100/m").await;
    world.template("hello", "你好").await;
    queue(&mut world, 300).await;
    let started = sent(&world).await;
    for minute in 1..=2_u32 {
        world.stage.advance(Duration::from_secs(60)).await;
        let (so_far, expected) = (sent(&world).await - started, f64::from(minute) * 100.0);
        assert!((so_far - expected).abs() <= expected * 0.01, "{so_far} after {minute} min");
    }
    let faster = channel("box", ChannelKind::Sandbox, json!({}), "");
    let faster = wire::messaging::Channel { limits: Some(Limits::default()), ..faster };
    world.api.update_channel(UpdateChannelRequest { channel: Some(faster) }).await.unwrap();
    world.stage.settled().await;
    assert_eq!(sent(&world).await, 300.0);
}

#[tokio::test]
async fn tries_back_off_and_end() {
    let receiver = Receiver::start().await;
    let mut world = World::open().await;
    world.know(&[somebody(1, &[], json!({}))]);
    world.channel("hook", ChannelKind::Webhook, json!({ "url": receiver.url }), "").await;
    world.template("hello", "你好").await;
    (0..6).for_each(|_| receiver.will_answer(500, ""));
    let id = world.sent(request("k", 1, &["hook"], "hello")).await.message_id;
    let start = world.stage.warp.now();
    world.stage.advance(Duration::from_secs(3 * 86_400)).await;
    let message = world.message(&id).await;
    assert_eq!((message.state(), message.reason.as_str()), (State::Failed, "HTTP_500"));
    let times = message
        .attempts
        .iter()
        .map(|attempt| kernel::Time::from(attempt.time.unwrap()).since(start).as_secs());
    let minutes: Vec<u64> = times.map(|seconds| seconds / 60).collect();
    assert_eq!(minutes, [0, 1, 6, 36, 156, 516]);
    assert_eq!(receiver.posted().len(), 6);
    let names: Vec<String> = world.facts().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["message.queued", "message.failed"]);
}
