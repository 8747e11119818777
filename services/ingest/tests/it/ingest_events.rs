//! `IngestEvents` and `StreamEvents`.

use futures::StreamExt as _;
use tonic::Code;
use wire::ingest::{IngestEventsRequest, StreamEventsRequest};

use crate::world::{assembly, event, grpc, ingest, open, raw, request, sums};

#[tokio::test]
async fn events_are_on_the_log_when_they_are_answered_for() {
    let stage = open().await;
    let mut foreign = event(&stage, "e2");
    foreign.customer_id = "forged".to_owned();
    foreign.name = "Order Completed".to_owned();
    let answer = ingest(&stage, vec![event(&stage, "e1"), foreign]).await;
    assert_eq!(sums(&answer), (2, 0, vec![]));
    let events = raw(&stage).await;
    assert_eq!(events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["e1", "e2"]);
    assert_eq!((events[1].name.as_str(), events[1].customer_id.as_str()), ("order_completed", ""));
    let context = events[0].context.clone().unwrap();
    assert_eq!((context.source_key.as_str(), context.channel.as_str()), ("api", "api"));
    assert_eq!(events[0].received_at, Some(stage.warp.now().into()));
}

#[tokio::test]
async fn each_event_is_judged_on_its_own() {
    let stage = open().await;
    let mut nobody = event(&stage, "e2");
    nobody.identifiers.clear();
    let mut fact = event(&stage, "e3");
    fact.name = "segment.entered".to_owned();
    let answer = ingest(&stage, vec![event(&stage, "e1"), nobody, fact, event(&stage, "e4")]).await;
    assert_eq!(sums(&answer), (2, 0, vec!["missing_identity", "reserved_name"]));
    assert_eq!(answer.rejections.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2]);
    assert!(answer.rejections[0].message.contains("send userId"), "{}", answer.rejections[0].message);
    assert_eq!(raw(&stage).await.len(), 2);
}

#[tokio::test]
async fn a_call_is_refused_as_a_whole_when_it_is_too_large_or_names_no_source() {
    let stage = open().await;
    let many = (0..2_501).map(|n| event(&stage, &n.to_string())).collect();
    let refused = grpc(&stage).ingest_events(request(many)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("2500"), "{}", refused.message());
    let unknown = IngestEventsRequest { events: vec![event(&stage, "e1")], source_key: "shop".to_owned() };
    assert_eq!(grpc(&stage).ingest_events(unknown).await.unwrap_err().code(), Code::NotFound);
    assert!(raw(&stage).await.is_empty());
}

#[tokio::test]
async fn a_stream_is_answered_message_by_message_in_order() {
    let stage = open().await;
    let sizes = [3, 1, 0, 5, 2];
    let messages: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(message, size)| StreamEventsRequest {
            events: (0..*size).map(|n| event(&stage, &format!("{message}-{n}"))).collect(),
            source_key: String::new(),
        })
        .collect();
    let answers = grpc(&stage).stream_events(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let accepted: Vec<u32> = answers.map(|answer| answer.unwrap().accepted).collect().await;
    assert_eq!(accepted, sizes);
    let ids: Vec<String> = raw(&stage).await.into_iter().map(|event| event.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn who_brings_more_than_there_is_room_for_is_told_to_come_again() {
    let stage = testkit::Stage::open(assembly(&["ingest.in_flight_bytes=0"])).await.unwrap();
    let refused = grpc(&stage).ingest_events(request(vec![event(&stage, "e1")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let answer =
        crate::world::call(&stage, "/v1/track", serde_json::json!({"event": "a", "userId": "u"})).await;
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(answer.headers().contains_key("x-ratelimit-reset"));
}

/// An empty event takes two bytes on the way and hundreds in memory.
#[tokio::test]
async fn a_message_of_very_many_events_is_refused_before_it_is_decoded() {
    let stage = open().await;
    let many = vec![wire::event::Event::default(); 20_000];
    let refused = grpc(&stage).ingest_events(request(many.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("more than 16384 entries"), "{}", refused.message());
    let small = StreamEventsRequest { events: vec![event(&stage, "e1")], source_key: String::new() };
    let large = StreamEventsRequest { events: many, source_key: String::new() };
    let messages = tokio_stream::iter([small.clone(), large, small]);
    let mut answers = grpc(&stage).stream_events(messages).await.unwrap().into_inner();
    let refused = loop {
        match answers.message().await {
            Ok(answer) => assert_eq!(answer.expect("the large one is taken").accepted, 1),
            Err(refused) => break refused,
        }
    };
    assert!(refused.message().contains("more than 16384 entries"), "{}", refused.message());
}
