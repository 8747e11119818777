//! Senders repeat themselves: every event comes once to five times, in any order, in different calls, also when the
//! platform was started again in between. What it does, it does once for each.

use std::collections::BTreeSet;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::messaging::MessageState;

use crate::counts;
use crate::kill::receiver::Receiver;

const SEED: u64 = 20_261_122;
/// Distinct events; every tenth is an order, which is thanked.
const EVENTS: usize = 600;
/// Events of a call.
const BATCH: usize = 17;
/// Times that the platform is started.
const STARTS: usize = 3;

fn event(n: usize) -> Event {
    let name = if n.is_multiple_of(10) { "order_completed" } else { "product_viewed" };
    let user = Identifier { namespace: "user_id".to_owned(), value: format!("会员{}", n % 41) };
    Event { id: format!("again-{n}"), name: name.to_owned(), identifiers: vec![user], ..Event::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_several_times_in_any_order_counts_once() -> Result<()> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut deliveries: Vec<usize> = (0..EVENTS).flat_map(|n| vec![n; random.random_range(1..=5)]).collect();
    deliveries.shuffle(&mut random);
    let (data, receiver) = (tempdir()?, Receiver::start().await?);
    let (mut accepted, mut known) = (0, 0);
    for part in deliveries.chunks(deliveries.len().div_ceil(STARTS)) {
        let platform = Platform::start(data.path()).await?;
        if accepted == 0 {
            counts::channel(platform.client()?, &receiver.url).await?;
            platform.run(&["apply", "-f", "tests/golden/greeting.yaml"]).await?;
        }
        let mut ingest = IngestServiceClient::new(platform.client()?);
        for call in part.chunks(BATCH) {
            let events = call.iter().copied().map(event).collect();
            let request = IngestEventsRequest { events, source_key: String::new() };
            let answer = ingest.ingest_events(request).await?.into_inner();
            accepted += answer.accepted as usize;
            known += answer.duplicates as usize;
        }
        platform.stop().await?;
    }
    assert_eq!((accepted, known), (EVENTS, deliveries.len() - EVENTS));
    let platform = Platform::start(data.path()).await?;
    let orders = EVENTS / 10;
    eventually("messages known as sent", || async {
        let states = counts::messages(platform.client()?).await?;
        let sent = states.iter().filter(|state| **state == MessageState::Sent).count();
        Ok(if sent >= orders { Ok(()) } else { Err(format!("{sent} of {orders}: {states:?}")) })
    })
    .await?;
    eventually("events counted", || async {
        let counted = counts::events(platform.client()?, "").await?;
        Ok(if counted >= EVENTS { Ok(()) } else { Err(format!("{counted} of {EVENTS}")) })
    })
    .await?;
    assert_eq!(counts::events(platform.client()?, "").await?, EVENTS);
    assert_eq!(counts::messages(platform.client()?).await?.len(), orders);
    let posts = receiver.posts();
    assert_eq!(posts.len(), orders, "an order is thanked twice outside");
    assert_eq!(posts.values().flatten().collect::<BTreeSet<_>>().len(), orders);
    platform.stop().await
}
