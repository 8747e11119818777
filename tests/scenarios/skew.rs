//! The clocks of two replicas are minutes apart: nothing is lost, and nothing happens twice.
//!
//! Leases are measured by the database's clock alone, and numbers of records are taken from one row of it. What does differ:
//! each process stamps what it accepts by its own clock, waits end by the clock of whoever holds the job, and tokens are
//! believed up to 30 s beside their time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use bus::Stream;
use chassis::{Assembly, Layers};
use testkit::{Stack, Stage};
use tests::platform::eventually;
use wire::event::{Event, Identifier};
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::ingest::{IngestEventsRequest, IngestEventsResponse};
use wire::profile::ListProfilesRequest;
use wire::profile::profile_service_client::ProfileServiceClient;

/// How far the second process is ahead.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Who they are about.
const PEOPLE: u32 = 10;
/// Events of a call.
const BATCH: u32 = 5;
const CALLS: u32 = 20;

async fn replica(stack: &Stack) -> Result<Stage> {
    let mut assembly = Assembly::new(Layers::default())
        .with::<ingest::Ingest>()
        .with::<identity::Identity>()
        .with::<profile::Profile>();
    assembly.layers.set = vec!["common.bus.partitions=2".to_owned()];
    Stage::open_on(stack.clone(), assembly).await.map_err(said)
}

async fn send(stage: &Stage, call: u32) -> Result<IngestEventsResponse> {
    let event = |n: u32| {
        let user = Identifier { namespace: "user_id".to_owned(), value: format!("u{}", n % PEOPLE) };
        Event {
            id: format!("e{n}"),
            name: "product_viewed".to_owned(),
            identifiers: vec![user],
            ..Event::default()
        }
    };
    let events = (call * BATCH..(call + 1) * BATCH).map(event).collect();
    let request = IngestEventsRequest { events, ..IngestEventsRequest::default() };
    Ok(IngestServiceClient::new(stage.client()).ingest_events(request).await?.into_inner())
}

/// How often each event stands on the log, resolved.
async fn resolved(stage: &Stage) -> Result<BTreeMap<String, usize>> {
    let mut times = BTreeMap::new();
    for event in stage.events(Stream::Events).await.map_err(said)? {
        if event.name == "product_viewed" {
            *times.entry(event.id).or_default() += 1;
        }
    }
    Ok(times)
}

fn said(error: kernel::Error) -> anyhow::Error {
    anyhow::anyhow!(error.to_string())
}

async fn until(stage: &Stage, events: u32) -> Result<()> {
    eventually("events resolved", || async {
        let found = resolved(stage).await?.len();
        Ok(if found == usize::try_from(events)? { Ok(()) } else { Err(format!("{found} of {events}")) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_clocks_are_apart_lose_nothing_and_do_nothing_twice() -> Result<()> {
    let stack = Stack::engines();
    let (slow, fast) = (replica(&stack).await?, replica(&stack).await?);
    fast.warp.advance_to(fast.warp.now().plus(AHEAD));
    for call in 0..CALLS {
        let taken = send(if call % 2 == 0 { &slow } else { &fast }, call).await?;
        assert_eq!(taken.accepted, BATCH);
    }
    until(&slow, CALLS * BATCH).await?;
    // What one has taken, the other knows, whoever is ahead.
    for call in 0..CALLS {
        let again = send(if call % 2 == 0 { &fast } else { &slow }, call).await?;
        assert_eq!((again.accepted, again.duplicates), (0, BATCH), "call {call}");
    }
    // The one that is ahead goes, and the other one, whose time it was not yet, does all.
    fast.running.shutdown().await;
    for call in CALLS..CALLS + 5 {
        assert_eq!(send(&slow, call).await?.accepted, BATCH);
    }
    until(&slow, (CALLS + 5) * BATCH).await?;
    let twice: Vec<_> = resolved(&slow).await?.into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    eventually("profiles", || async {
        let mut profiles = ProfileServiceClient::new(slow.client());
        let found = profiles.list_profiles(ListProfilesRequest::default()).await?.into_inner().profiles.len();
        Ok(if found == usize::try_from(PEOPLE)? { Ok(()) } else { Err(format!("{found} customers")) })
    })
    .await?;
    slow.running.shutdown().await;
    Ok(())
}
