//! A process stands still beyond its leases, as under a debugger or on a paused machine, while customers go on. The other
//! takes over, and when the first wakes up it does no harm.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use tests::cluster::SERVICES;
use tests::platform::eventually;
use tokio::time::Instant;

use super::shop::Shop;
use super::twins::{Balanced, Twins};
use super::{SHARING, shared};

/// Orders at each stop, by customers of all partitions.
const ORDERS: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_taken_over_and_does_no_harm_later() -> Result<()> {
    let twins = Twins::start(&[]).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    let stopping = stop_each(&twins, &shop, &ingest);
    let (gaps, orders) = tokio::select! {
        stopped = stopping => stopped?,
        ended = shop.browse(&ingest) => return ended,
    };
    let open = shop.settle(&ingest).await?;
    shop.is_exact(&twins, orders).await?;
    writeln!(
        std::io::stderr(),
        "from order to message while a process stands still: {gaps:?}; {} events, {open} calls made again, each counted once",
        shop.sent()
    )?;
    Ok(())
}

/// How long an order took to be thanked at each stop, and how many orders there were.
async fn stop_each(
    twins: &Twins,
    shop: &Shop,
    ingest: &Balanced,
) -> Result<(BTreeMap<&'static str, Duration>, usize)> {
    let (mut gaps, mut orders) = (BTreeMap::new(), 0);
    for service in ["none"].into_iter().chain(SERVICES.into_iter().filter(|service| *service != "analytics"))
    {
        let before = match SHARING.contains(&service) {
            true => Some(shared(twins, service).await?.changes),
            false => None,
        };
        if service != "none" {
            twins.signal((service, 0), "STOP").await?;
        }
        let begin = Instant::now();
        shop.deliver(ingest, "order_completed", service, ORDERS).await?;
        orders += ORDERS as usize;
        shop.thanked(orders).await?;
        gaps.insert(service, begin.elapsed());
        if service == "none" {
            continue;
        }
        eventually("the one that stands still is given up", || async {
            let members = twins.leases(service).await?.members;
            Ok(if members == 1 { Ok(()) } else { Err(format!("{service}: {members} processes")) })
        })
        .await?;
        twins.signal((service, 0), "CONT").await?;
        if let Some(before) = before {
            let after = shared(twins, service).await?.changes;
            assert!(after > before, "{service}: no lease changed hands");
        }
    }
    Ok((gaps, orders))
}
