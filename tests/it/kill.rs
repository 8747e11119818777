//! `kill -9` under load and start again: nothing acknowledged is lost, nothing is done twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use tokio::sync::Mutex;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{Measure, QueryTrendRequest, ScanEventsRequest};
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::{ListMessagesRequest, MessageState};

/// Times the process is killed.
const KILLS: u32 = 10;
/// Events in one call.
const BATCH: u32 = 20;

/// What a client knows: ids that were acknowledged, and the number of the next call.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: Mutex<BTreeSet<String>>,
    next: AtomicU32,
}

fn batch(number: u32) -> Vec<Event> {
    let event = |n: u32| {
        let id = format!("kill-{number}-{n}");
        let user =
            Identifier { namespace: "user_id".to_owned(), value: format!("u{}", (number * BATCH + n) % 97) };
        let name = if n == 0 { "order_completed" } else { "product_viewed" };
        Event { id, name: name.to_owned(), identifiers: vec![user], ..Event::default() }
    };
    (0..BATCH).map(event).collect()
}

/// Sends batches until the connection breaks; each is retried after the restart if it was not acknowledged.
async fn load(platform_client: testkit::Client, ledger: Arc<Ledger>) {
    let mut client = IngestServiceClient::new(platform_client);
    loop {
        let events = batch(ledger.next.fetch_add(1, Ordering::SeqCst));
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let request = IngestEventsRequest { events, source_key: String::new() };
        match client.ingest_events(request).await {
            Ok(answer) if answer.get_ref().rejections.is_empty() => {
                ledger.acknowledged.lock().await.extend(ids)
            }
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_and_count_once() -> Result<()> {
    let data = tempdir()?;
    let ledger = Arc::new(Ledger::default());
    for round in 0..KILLS {
        let platform = Platform::start(data.path()).await?;
        if round == 0 {
            platform.run(&["apply", "-f", "tests/golden/greeting.yaml"]).await?;
        }
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..4 {
            clients.spawn(load(platform.client()?, ledger.clone()));
        }
        // A seeded moment: after so many more acknowledgements.
        let wanted = ledger.acknowledged.lock().await.len() + 200 + usize::try_from(round * 137 % 400)?;
        eventually("acknowledgements", || async {
            let count = ledger.acknowledged.lock().await.len();
            Ok(if count >= wanted { Ok(()) } else { Err(format!("{count} of {wanted}")) })
        })
        .await?;
        platform.kill().await?;
        clients.join_all().await;
    }
    let platform = Platform::start(data.path()).await?;
    // Everything once more: what was taken before the kills is known by its id.
    let mut ingest = IngestServiceClient::new(platform.client()?);
    let calls = ledger.next.load(Ordering::SeqCst);
    let acknowledged = ledger.acknowledged.lock().await.clone();
    for number in 0..calls {
        let request = IngestEventsRequest { events: batch(number), source_key: String::new() };
        ingest.ingest_events(request).await?;
    }
    let all = f64::from(calls * BATCH);
    let count = eventually("every event", || {
        let client = platform.client();
        async move {
            let request = QueryTrendRequest {
                measure: Measure::Count.into(),
                from: Some(prost_types::Timestamp::default()),
                to: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
                ..Default::default()
            };
            let answer = AnalyticsServiceClient::new(client?).query_trend(request).await?.into_inner();
            let total = answer.series.first().map_or(0.0, |series| series.total);
            Ok(if total >= all { Ok(total) } else { Err(format!("{total} of {all}")) })
        }
    })
    .await?;
    assert_eq!(count, all, "an event counts twice");
    let stored = scan(&platform).await?;
    assert!(
        acknowledged.is_subset(&stored),
        "lost: {:?}",
        acknowledged.difference(&stored).take(5).collect::<Vec<_>>()
    );
    assert_eq!(stored.len(), usize::try_from(calls * BATCH)?);
    each_order_is_thanked_once(&platform, usize::try_from(calls)?).await?;
    tokio::time::timeout(Duration::from_secs(30), platform.stop()).await.context("it does not stop")?
}

async fn scan(platform: &Platform) -> Result<BTreeSet<String>> {
    let request = ScanEventsRequest {
        names: vec!["product_viewed".to_owned(), "order_completed".to_owned()],
        ..Default::default()
    };
    let mut stream = AnalyticsServiceClient::new(platform.client()?).scan_events(request).await?.into_inner();
    let mut ids = BTreeSet::new();
    while let Some(chunk) = stream.message().await? {
        ids.extend(chunk.events.into_iter().map(|event| event.id));
    }
    Ok(ids)
}

/// One message per order, all sent, none in doubt, whatever was running when the process died.
async fn each_order_is_thanked_once(platform: &Platform, orders: usize) -> Result<()> {
    let messages = eventually("a message for every order", || {
        let client = platform.client();
        async move {
            let mut client = MessagingServiceClient::new(client?);
            let (mut messages, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListMessagesRequest { page_size: 1_000, page_token, ..Default::default() };
                let page = client.list_messages(request).await?.into_inner();
                messages.extend(page.messages);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let sent = messages.iter().filter(|message| message.state() == MessageState::Sent).count();
            Ok(if sent >= orders { Ok(messages) } else { Err(format!("{sent} sent of {orders}")) })
        }
    })
    .await?;
    assert_eq!(messages.len(), orders, "an order is thanked twice");
    assert!(messages.iter().all(|message| message.attempts.len() == 1), "a message went out twice");
    Ok(())
}
