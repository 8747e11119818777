//! All processes of one service are away for a while, one service after the other: whoever needs it waits, everybody else goes
//! on, and when it is back everything has happened once.

use std::collections::BTreeMap;

use anyhow::Result;
use tests::platform::eventually;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::journey::{ListRunsRequest, RunState};

use super::shop::Shop;
use super::twins::{Name, Twins};

/// Orders while each service is away.
const ORDERS: u32 = 16;
/// Ingest is where events come in: whoever finds it away has them still.
const AWAY: [&str; 6] = ["messaging", "identity", "profile", "segmentation", "journey", "analytics"];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_be_away_and_nothing_is_lost_or_done_twice() -> Result<()> {
    let mut twins = Twins::start(&["common.drain=1s"]).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    shop.deliver(&ingest, "order_completed", "before", ORDERS).await?;
    let mut orders = ORDERS as usize;
    shop.thanked(orders).await?;
    for service in AWAY {
        let (gone, here): (Vec<Name>, Vec<Name>) =
            twins.names().into_iter().partition(|(of, _)| *of == service);
        twins.stop(&gone).await?;
        // Taken at once, without trying again.
        shop.call(&ingest, "order_completed", service, ORDERS).await?;
        if service == "messaging" {
            runs_wait_for_messaging(&twins, orders).await?;
        }
        for name in here {
            let (status, said) = twins.readiness(name).await?;
            assert_eq!(status, 200, "{name:?} goes away with {service}: {said}");
        }
        for name in &gone {
            twins.spawn(*name)?;
        }
        for name in gone {
            twins.ready(name).await?;
        }
        orders += ORDERS as usize;
        shop.thanked(orders).await?;
    }
    shop.is_exact(&twins, orders).await?;
    runs_are(&twins, &[("exited done", orders)]).await?;
    twins.done();
    Ok(())
}

/// Returns when the runs of all new orders have come to their message and have tried to send it; none has ended for that.
async fn runs_wait_for_messaging(twins: &Twins, before: usize) -> Result<()> {
    let waiting = [("at thank", ORDERS as usize), ("exited done", before)];
    runs_are(twins, &waiting).await?;
    eventually("a message that could not be sent", || async {
        let logs = [twins.log(("journey", 0))?, twins.log(("journey", 1))?];
        let tried = logs.iter().any(|log| log.contains("a node failed; trying again"));
        Ok(if tried { Ok(()) } else { Err("nobody has tried".to_owned()) })
    })
    .await?;
    assert_eq!(runs(twins).await?, places(&waiting), "a run has not waited");
    Ok(())
}

/// Returns when so many runs are at each place, and none elsewhere.
async fn runs_are(twins: &Twins, wanted: &[(&str, usize)]) -> Result<()> {
    eventually("runs", || async {
        let runs = runs(twins).await?;
        Ok(if runs == places(wanted) { Ok(()) } else { Err(format!("{runs:?}")) })
    })
    .await
}

fn places(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(place, count)| ((*place).to_owned(), *count)).collect()
}

/// Where the runs stand, or why they ended, and how many each.
async fn runs(twins: &Twins) -> Result<BTreeMap<String, usize>> {
    let request =
        ListRunsRequest { journey_key: "thanks".to_owned(), page_size: 1_000, ..Default::default() };
    let mut client = JourneyServiceClient::new(twins.balanced("journey").await?);
    let mut found = BTreeMap::new();
    for run in client.list_runs(request).await?.into_inner().runs {
        let place = match run.state() {
            RunState::Exited => format!("exited {}", run.exit_reason),
            _ => format!("at {}", run.node),
        };
        *found.entry(place).or_default() += 1;
    }
    Ok(found)
}
