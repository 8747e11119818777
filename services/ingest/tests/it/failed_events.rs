//! Refused events: listed with their reason, tried again, removed when they are in.

use serde_json::json;
use tonic::Code;
use wire::ingest::{
    FailedEvent, ListFailedEventsRequest, ReplayFailedEventsRequest, ReplayFailedEventsResponse, SourceKind,
    UpdateSourceRequest,
};

use crate::world::{call, create, event, grpc, ingest, open, post, raw, read, source};

async fn list(stage: &testkit::Stage, request: ListFailedEventsRequest) -> Vec<FailedEvent> {
    grpc(stage).list_failed_events(request).await.unwrap().into_inner().failed_events
}

async fn replay(stage: &testkit::Stage, request: ReplayFailedEventsRequest) -> ReplayFailedEventsResponse {
    grpc(stage).replay_failed_events(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_a_disabled_source_sent_comes_in_once_it_is_enabled() {
    let stage = open().await;
    let mut web = create(&stage, source("web", SourceKind::Tracking, json!({}))).await;
    let write_key = web.write_key.clone();
    web.disabled = true;
    let update = |source| UpdateSourceRequest { source: Some(source), rotate_write_key: false };
    grpc(&stage).update_source(update(web.clone())).await.unwrap();
    let body = json!({
        "batch": [
            {"type": "track", "event": "Cart Added", "userId": "u1", "messageId": "m1", "timestamp": "2026-11-21T01:00:00Z"},
            {"type": "track", "event": "Cart Added", "userId": "u1", "timestamp": "2026-11-21T01:00:00Z"},
        ],
        "sentAt": "2026-11-21T01:00:10Z", "context": {"locale": "zh-CN"}, "writeKey": write_key,
    });
    let answer = post(&stage, "/v1/batch").body(body.to_string()).send().await.unwrap();
    assert_eq!(read(answer).await, (200, json!({"success": true})));
    assert!(raw(&stage).await.is_empty());
    let failed = list(&stage, ListFailedEventsRequest::default()).await;
    assert_eq!(failed.len(), 2);
    assert_eq!((failed[0].reason.as_str(), failed[0].source_key.as_str()), ("source_disabled", "web"));
    assert!(failed[0].message.contains("enable it"));
    assert_eq!(failed[0].event.as_ref().unwrap().id, "m1");
    let payload = String::from_utf8(failed[0].payload.clone()).unwrap();
    assert!(payload.contains("Cart Added") && !payload.contains(&write_key), "{payload}");

    let still = replay(&stage, ReplayFailedEventsRequest::default()).await;
    assert_eq!((still.replayed, still.still_failing), (0, 2));
    web.disabled = false;
    grpc(&stage).update_source(update(web)).await.unwrap();
    let received = stage.warp.now();
    stage.advance(std::time::Duration::from_secs(3_600)).await;
    let done = replay(&stage, ReplayFailedEventsRequest::default()).await;
    assert_eq!((done.replayed, done.still_failing), (2, 0));
    assert!(list(&stage, ListFailedEventsRequest::default()).await.is_empty());
    let events = raw(&stage).await;
    assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["cart_added"; 2]);
    assert_eq!(events[0].time, Some(kernel::Time(received.0 - 10_000_000).into()));
    assert_eq!((events[0].id.as_str(), events[1].id.as_str()), ("m1", failed[1].failed_event_id.as_str()));
    assert_eq!(events[0].context.as_ref().unwrap().locale, "zh-CN");
}

#[tokio::test]
async fn they_are_found_by_source_reason_time_and_page() {
    let stage = open().await;
    let start = stage.warp.now();
    for n in 0..5 {
        let mut nobody = event(&stage, &format!("n{n}"));
        nobody.identifiers.clear();
        ingest(&stage, vec![nobody]).await;
        stage.advance(std::time::Duration::from_secs(60)).await;
    }
    call(&stage, "/v1/track", json!({"userId": "u1"})).await;
    let by = |change: fn(&mut ListFailedEventsRequest)| {
        let mut request = ListFailedEventsRequest::default();
        change(&mut request);
        request
    };
    assert_eq!(list(&stage, by(|_| {})).await.len(), 6);
    assert_eq!(
        list(&stage, by(|request| request.source_key = "dev".to_owned())).await[0].reason,
        "missing_name"
    );
    assert_eq!(list(&stage, by(|request| request.reason = "missing_identity".to_owned())).await.len(), 5);
    let mut part = by(|_| {});
    part.from = Some(start.plus(std::time::Duration::from_secs(60)).into());
    part.to = Some(start.plus(std::time::Duration::from_secs(180)).into());
    assert_eq!(list(&stage, part).await.len(), 2);
    let (mut token, mut ids) = (String::new(), Vec::new());
    loop {
        let request = ListFailedEventsRequest { page_size: 4, page_token: token, ..by(|_| {}) };
        let page = grpc(&stage).list_failed_events(request).await.unwrap().into_inner();
        ids.extend(page.failed_events.into_iter().map(|failed| failed.failed_event_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 6);
    assert!(ids.is_sorted_by(|a, b| a < b));
    let wrong = ReplayFailedEventsRequest { failed_event_ids: vec!["x".to_owned()], ..Default::default() };
    assert_eq!(grpc(&stage).replay_failed_events(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let one = ReplayFailedEventsRequest { failed_event_ids: vec![ids[0].clone()], ..Default::default() };
    assert_eq!(replay(&stage, one).await.still_failing, 1);
}

#[tokio::test]
async fn they_are_not_kept_for_ever() {
    let stage = open().await;
    call(&stage, "/v1/track", json!({"userId": "u1"})).await;
    stage.advance(std::time::Duration::from_secs(29 * 86_400)).await;
    assert_eq!(list(&stage, ListFailedEventsRequest::default()).await.len(), 1);
    stage.advance(std::time::Duration::from_secs(2 * 86_400)).await;
    assert!(list(&stage, ListFailedEventsRequest::default()).await.is_empty());
}
