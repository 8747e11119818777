//! A rolling restart, as a new version is rolled out: of every service process after process is asked to stop and started
//! again, while customers' calls go on.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};

use super::calls::{CALLED, CHANGING, Calls};
use super::shop::Shop;
use super::twins::{Name, Twins};

/// Orders before and after.
const ORDERS: u32 = 16;
/// A process must be gone within this time.
const GONE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call() -> Result<()> {
    let mut twins = Twins::start(&["common.drain=1s"]).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    let calls = Calls::open(&twins, &shop, &[&CALLED[..], &CHANGING].concat()).await?;
    shop.deliver(&ingest, "order_completed", "before", ORDERS).await?;
    let times = tokio::select! {
        rolled = roll(&mut twins) => rolled?,
        () = calls.go_on() => bail!("the calls ended"),
    };
    shop.deliver(&ingest, "order_completed", "after", ORDERS).await?;
    let (answered, failed) = calls.outcome();
    assert!(failed.is_empty(), "{} of {answered} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    assert!(times.iter().all(|time| *time < GONE), "{times:?}");
    calls.what_was_written_is_there().await?;
    // What was cut off with the clients themselves.
    shop.settle(&ingest).await?;
    shop.settle_tracked(&twins.http("ingest")).await?;
    shop.is_exact(&twins, 2 * ORDERS as usize).await?;
    writeln!(
        std::io::stderr(),
        "all processes replaced, gone after {times:?}; {answered} calls answered, none failed; {} events, each counted once",
        shop.sent()
    )?;
    twins.done();
    Ok(())
}

/// The first process of every service at the same time, then the second; how long it took until they were gone.
async fn roll(twins: &mut Twins) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for turn in 0..2 {
        let names: Vec<Name> = twins.names().into_iter().filter(|(_, n)| *n == turn).collect();
        times.push(twins.stop(&names).await?);
        for name in &names {
            twins.spawn(*name)?;
        }
        for name in names {
            twins.ready(name).await?;
        }
    }
    Ok(times)
}
