//! A rolling restart, as a new version is rolled out: process after process is asked to stop and started again, while
//! customers' calls go on.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use tests::platform::eventually;
use tonic::{Request, Status};
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::profile::GetProfileRequest;
use wire::profile::get_profile_request::Customer;
use wire::profile::profile_service_client::ProfileServiceClient;

use super::shop::Shop;
use super::twins::{Balanced, Twins};

/// Clients at a time.
const CLIENTS: u32 = 3;
/// A process must be gone within this time.
const GONE: Duration = Duration::from_secs(10);

/// What became of the calls.
#[derive(Debug, Default)]
struct Calls {
    answered: AtomicUsize,
    failed: Mutex<Vec<Status>>,
}

impl Calls {
    fn count<T>(&self, answer: Result<T, Status>) {
        match (answer, self.failed.lock()) {
            (Err(status), Ok(mut failed)) => failed.push(status),
            _ => _ = self.answered.fetch_add(1, Ordering::Relaxed),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call() -> Result<()> {
    let mut twins = Twins::start(&["common.drain=1s"]).await?;
    let shop = Shop::open(&twins).await?;
    let (ingest, profile) = (twins.balanced("ingest").await?, twins.balanced("profile").await?);
    shop.deliver(&ingest, "order_completed", "first", CLIENTS).await?;
    shop.thanked(CLIENTS as usize).await?;
    eventually("profiles", || async {
        let answers = (0..CLIENTS).map(|n| look(&profile, n));
        let known = futures::future::join_all(answers).await.into_iter().collect::<Result<Vec<_>, _>>();
        Ok(known.map_err(|status| status.to_string()))
    })
    .await?;
    let calls = Calls::default();
    let clients = (0..CLIENTS).map(|n| customer(n, &ingest, &profile, &calls));
    let clients = futures::future::join_all(clients);
    let times = tokio::select! {
        rolled = roll(&mut twins) => rolled?,
        _ = clients => return Ok(()),
    };
    let failed = calls.failed.lock().map(|failed| failed.clone()).unwrap_or_default();
    writeln!(
        std::io::stderr(),
        "{} processes replaced, gone after {:?} at the most; {} calls answered, {} failed",
        times.len(),
        times.iter().max(),
        calls.answered.load(Ordering::Relaxed),
        failed.len()
    )?;
    assert!(failed.is_empty(), "failed: {:?}", &failed[..failed.len().min(5)]);
    assert!(times.iter().all(|time| *time < GONE), "{times:?}");
    Ok(())
}

/// How long each process took to be gone.
async fn roll(twins: &mut Twins) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for name in twins.names().into_iter().filter(|(service, _)| *service != "analytics") {
        times.push(twins.stop(name).await?);
        twins.spawn(name)?;
        twins.ready(name).await?;
    }
    Ok(times)
}

/// Looks and orders in turn, for ever.
async fn customer(number: u32, ingest: &Balanced, profile: &Balanced, calls: &Calls) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for n in 0.. {
        ticks.tick().await;
        calls.count(look(profile, number).await);
        let id = format!("roll-{number}-{n}");
        let identifiers = vec![user(number)];
        let event = Event { id, name: "product_viewed".to_owned(), identifiers, ..Event::default() };
        let request = IngestEventsRequest { events: vec![event], source_key: String::new() };
        calls.count(IngestServiceClient::new(ingest.clone()).ingest_events(request).await);
    }
}

async fn look(profile: &Balanced, number: u32) -> Result<(), Status> {
    let request = GetProfileRequest { customer: Some(Customer::Identifier(user(number))) };
    ProfileServiceClient::new(profile.clone()).get_profile(Request::new(request)).await.map(drop)
}

fn user(number: u32) -> Identifier {
    Identifier { namespace: "user_id".to_owned(), value: format!("会员{number}") }
}
