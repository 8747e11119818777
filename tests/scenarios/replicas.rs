//! Two processes of every service: they share the work, take over from each other, and are replaced under load, and all
//! that happens happens once. Always on PostgreSQL and JetStream, whatever `STACK` says.

mod away;
mod calls;
mod engines;
mod roll;
pub(crate) mod shop;
mod stop;
pub(crate) mod twins;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use futures::try_join;
use shop::Shop;
use tests::platform::eventually;
use tokio::time::Instant;
use twins::{Balanced, Leases, Twins};
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::journey::{PauseJourneyRequest, ResumeJourneyRequest};

/// Customers who look and order.
const CUSTOMERS: u32 = 100;

/// Services whose events and jobs two processes share.
const SHARING: [&str; 4] = ["identity", "profile", "segmentation", "journey"];

#[tokio::test(flavor = "multi_thread")]
async fn work_is_shared_and_effects_happen_once() -> Result<()> {
    let mut twins = Twins::start(&[]).await?;
    let mut shares = BTreeMap::new();
    for service in SHARING {
        shares.insert(service, shared(&twins, service).await?.held.into_values().collect::<Vec<_>>());
    }
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    for lot in 0..4 {
        // To both at the same moment: neither knows of the other's yet.
        let lot = lot.to_string();
        let (first, second) = try_join!(twins.to(("ingest", 0)), twins.to(("ingest", 1)))?;
        try_join!(
            shop.deliver(&first, "product_viewed", &lot, CUSTOMERS),
            shop.deliver(&second, "product_viewed", &lot, CUSTOMERS),
        )?;
        shop.deliver(&ingest, "order_completed", &lot, CUSTOMERS).await?;
    }
    // What a client sends again is known, whichever process it comes to.
    for lot in 0..4 {
        shop.deliver(&ingest, "order_completed", &lot.to_string(), CUSTOMERS).await?;
    }
    shop.is_exact(&twins, 4 * CUSTOMERS as usize).await?;
    changes_hold_at_once(&twins, &shop, &ingest, 4 * CUSTOMERS).await?;
    let gap = one_half_dies(&mut twins, &shop, &ingest, 7 * CUSTOMERS as usize).await?;
    writeln!(
        std::io::stderr(),
        "leases per process: {shares:?}; {} events, each counted once; {gap:.2?} after one process of each service was \
         killed, the others held all leases",
        shop.sent()
    )?;
    twins.done();
    Ok(())
}

/// The second process of every service is killed; how long it took until the first ones held all leases. They do all the
/// work then.
async fn one_half_dies(twins: &mut Twins, shop: &Shop, ingest: &Balanced, before: usize) -> Result<Duration> {
    let second = twins.names().into_iter().filter(|(_, n)| *n == 1).collect::<Vec<_>>();
    twins.kill(&second).await?;
    let begin = Instant::now();
    for service in SHARING {
        eventually("one holder", || async {
            let leases = twins.leases(service).await?;
            let one = leases.members == 1 && leases.held.len() == 1;
            Ok(if one { Ok(()) } else { Err(format!("{service}: {leases:?}")) })
        })
        .await?;
    }
    let gap = begin.elapsed();
    shop.deliver(ingest, "order_completed", "half", CUSTOMERS).await?;
    // Both journeys thank.
    shop.is_exact(twins, before + 2 * CUSTOMERS as usize).await?;
    Ok(gap)
}

/// What is changed through one process is known to the other with the next event.
async fn changes_hold_at_once(twins: &Twins, shop: &Shop, ingest: &Balanced, before: u32) -> Result<()> {
    let mut first = JourneyServiceClient::new(twins.to(("journey", 0)).await?);
    let mut second = JourneyServiceClient::new(twins.to(("journey", 1)).await?);
    let key = "thanks".to_owned();
    twins.apply("tests/golden/witness.yaml").await?;
    second.pause_journey(PauseJourneyRequest { key: key.clone() }).await?;
    shop.deliver(ingest, "order_completed", "paused", CUSTOMERS).await?;
    // By the other journey: this one takes nobody.
    let witnessed = before + CUSTOMERS;
    shop.thanked(witnessed as usize).await?;
    first.resume_journey(ResumeJourneyRequest { key }).await?;
    shop.deliver(ingest, "order_completed", "resumed", CUSTOMERS).await?;
    shop.is_exact(twins, (witnessed + 2 * CUSTOMERS) as usize).await
}

/// The leases of a service as soon as both of its processes hold some.
async fn shared(twins: &Twins, service: &str) -> Result<Leases> {
    eventually("two holders", || async {
        let leases = twins.leases(service).await?;
        let both = leases.members == 2 && leases.held.len() == 2;
        Ok(if both { Ok(leases) } else { Err(format!("{service}: {leases:?}")) })
    })
    .await
}
