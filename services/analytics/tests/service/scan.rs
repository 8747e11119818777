//! `ScanEvents`.

use futures::TryStreamExt as _;
use testkit::Stack;
use wire::analytics::{LogPosition, ScanEventsRequest, ScanEventsResponse};

use super::*;

async fn scan(stage: &Stage, request: ScanEventsRequest) -> Vec<Event> {
    let chunks = client(stage).scan_events(request).await.unwrap().into_inner();
    let chunks: Vec<ScanEventsResponse> = chunks.try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| !chunk.events.is_empty() && chunk.events.len() <= 500));
    chunks.into_iter().flat_map(|chunk| chunk.events).collect()
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test]
async fn events_come_by_record_and_time_with_todays_customer() {
    let stage = Stage::open(assembly(&["analytics.flush_rows=3"])).await.unwrap();
    let events = [
        event(2, "order_completed", 9, json!({"total": 5})),
        event(1, "product_viewed", 4, json!({})),
        event(1, "product_viewed", 2, json!({})),
        event(2, "product_viewed", 1, json!({})),
    ];
    play(&stage, 1, &events[..3]).await;
    play(&stage, 4, &events[3..]).await;
    let all = scan(&stage, ScanEventsRequest::default()).await;
    assert_eq!(
        ids(&all),
        ["product_viewed-2-1", "order_completed-2-9", "product_viewed-1-2", "product_viewed-1-4"]
    );
    assert_eq!(all[1], events[0]);
    play(&stage, 10, &moved("customer.merged", 2, 1, 10)).await;
    let request = ScanEventsRequest {
        names: vec!["product_viewed".to_owned(), "order_completed".to_owned()],
        filter: "e.properties.total == 5 || e.name == 'product_viewed'".to_owned(),
        customer_ids: vec![customer(1)],
        from: at(2),
        to: at(10),
        ..ScanEventsRequest::default()
    };
    let ours = scan(&stage, request).await;
    assert_eq!(ids(&ours), ["order_completed-2-9", "product_viewed-1-2", "product_viewed-1-4"]);
    assert!(ours.iter().all(|event| event.customer_id == customer(1)));
    let nobody = ScanEventsRequest { customer_ids: vec![customer(77)], ..ScanEventsRequest::default() };
    assert!(scan(&stage, nobody).await.is_empty());
}

#[tokio::test]
async fn a_scan_waits_for_its_place_in_the_log_and_stops_there() {
    // Its positions count events one by one.
    let stage = Stage::open_on(Stack::Embedded, assembly(&[])).await.unwrap();
    let up_to = vec![LogPosition { partition: 0, position: 2 }];
    let request = ScanEventsRequest { up_to, ..ScanEventsRequest::default() };
    let events = [1, 2, 3].map(|hours| event(1, "product_viewed", hours, json!({})));
    play(&stage, 1, &events[..1]).await;
    let (seen, ()) = tokio::join!(scan(&stage, request), async {
        stage.append(Stream::Events, 2, &events[1..]).await.unwrap();
    });
    assert_eq!(seen, events[..2]);
    let wrong = ScanEventsRequest {
        customer_ids: vec!["某人".to_owned()],
        up_to: vec![LogPosition { partition: 99, position: 0 }],
        filter: "no such(".to_owned(),
        ..ScanEventsRequest::default()
    };
    let mut fields = refused(&client(&stage).scan_events(wrong).await.unwrap_err());
    fields.dedup();
    assert_eq!(fields, ["customer_ids[0]", "up_to[0].partition", "filter"]);
}

#[tokio::test]
async fn many_events_come_in_many_chunks() {
    let stage = Stage::open(assembly(&["analytics.flush_rows=900", "analytics.batch=300"])).await.unwrap();
    let events: Vec<_> =
        (0..2_000).map(|n| event(u128::from(n % 7), "product_viewed", n, json!({"第": n}))).collect();
    play(&stage, 1, &events).await;
    assert_eq!(scan(&stage, ScanEventsRequest::default()).await.len(), 2_000);
}
