//! Processes stand still beyond their leases, as under a debugger or on a paused machine, while customers go on. Others
//! take over, and when they wake up they do no harm.

use std::io::Write as _;

use anyhow::{Result, bail};
use tests::platform::eventually;
use tokio::time::Instant;

use super::calls::{CALLED, Calls};
use super::shop::Shop;
use super::twins::{Name, Twins};
use super::{SHARING, shared};

/// Orders at each step, by customers of all partitions.
const ORDERS: u32 = 16;
/// Of so many calls one may fail while half of the processes stand still: some are waiting at them when they stop, and now
/// and then one finds out whether they are back.
const ONE_IN: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_taken_over_and_does_no_harm_later() -> Result<()> {
    let twins = Twins::start(&[]).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    let calls = Calls::open(&twins, &shop, &CALLED).await?;
    shop.deliver(&ingest, "order_completed", "before", ORDERS).await?;
    let gap = tokio::select! {
        stopped = stand_still(&twins, &shop) => stopped?,
        () = calls.go_on() => bail!("the calls ended"),
    };
    shop.deliver(&ingest, "order_completed", "after", ORDERS).await?;
    let open = shop.settle(&ingest).await?;
    shop.is_exact(&twins, 3 * ORDERS as usize).await?;
    let (answered, failed) = calls.outcome();
    writeln!(
        std::io::stderr(),
        "from order to message while one process of each service stands still: {gap:.2?}; {answered} calls answered, {} \
         given up; {} events, {open} calls made again, each counted once",
        failed.len(),
        shop.sent()
    )?;
    assert!(failed.len() * ONE_IN <= answered, "{} of {answered} failed: {failed:?}", failed.len());
    twins.done();
    Ok(())
}

/// The first process of every service stands still until it has been given up; how long orders took to be thanked
/// meanwhile.
async fn stand_still(twins: &Twins, shop: &Shop) -> Result<std::time::Duration> {
    let mut changes = Vec::new();
    for service in SHARING {
        changes.push((service, shared(twins, service).await?.changes));
    }
    let stopped: Vec<Name> = twins.names().into_iter().filter(|(_, n)| *n == 0).collect();
    for name in &stopped {
        twins.signal(*name, "STOP").await?;
    }
    let begin = Instant::now();
    shop.deliver(&twins.balanced("ingest").await?, "order_completed", "meanwhile", ORDERS).await?;
    shop.thanked(2 * ORDERS as usize).await?;
    let gap = begin.elapsed();
    for (service, _) in &stopped {
        eventually("the one that stands still is given up", || async {
            let members = twins.leases(service).await?.members;
            Ok(if members == 1 { Ok(()) } else { Err(format!("{service}: {members} processes")) })
        })
        .await?;
    }
    for name in &stopped {
        twins.signal(*name, "CONT").await?;
    }
    for (service, before) in changes {
        let after = shared(twins, service).await?.changes;
        assert!(after > before, "{service}: no lease changed hands");
    }
    Ok(gap)
}
