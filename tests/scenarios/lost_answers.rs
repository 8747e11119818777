//! Answers of PostgreSQL to commits get lost, in every service: what looks failed was done all the same, and must not be
//! done again. Always on PostgreSQL and JetStream, whatever `STACK` says.

use std::io::Write as _;

use anyhow::Result;
use testkit::postgres::Postgres;
use testkit::{Loss, Lossy, Stack};
use tests::cluster::SERVICES;

use crate::replicas::shop::Shop;
use crate::replicas::twins::Twins;

/// So many customers look and order at a time.
const LOT: u32 = 20;
/// What is lost, while so many lots come in, and how many answers that are at the least: the test shows nothing with fewer.
const PHASES: [(Loss, u32, usize); 3] = [
    (Loss { every: 11, of: None }, 15, 30),
    // What messaging says of a message it is about to hand over.
    (Loss { every: 2, of: Some(("messaging", "sending")) }, 6, 3),
    // What it says of one that was handed over.
    (Loss { every: 2, of: Some(("messaging", "sent")) }, 6, 3),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_failed_is_not_done_twice() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let line = Lossy::start(postgres.address()).await?;
    let mut settings = Stack::engines().settings(&SERVICES).await?;
    for setting in settings.iter_mut().filter(|setting| setting.starts_with("common.database.url=")) {
        *setting = setting.replace(postgres.address(), &line.address().to_string());
    }
    let mut twins = Twins::start_on(settings).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    let mut lots = 0;
    for (loss, count, least) in PHASES {
        let before = line.lost();
        line.lose(loss.clone());
        for _ in 0..count {
            shop.deliver(&ingest, "product_viewed", &lots.to_string(), LOT).await?;
            shop.deliver(&ingest, "order_completed", &lots.to_string(), LOT).await?;
            lots += 1;
            if loss.of.is_some() {
                // Each lot has such commits of its own then.
                shop.thanked((lots * LOT) as usize).await?;
            }
        }
        let orders = (lots * LOT) as usize;
        shop.thanked(orders).await?;
        line.lose(Loss::default());
        shop.is_exact(&twins, orders).await?;
        twins.all_run()?;
        let lost = line.lost() - before;
        assert!(lost >= least, "{lost} answers were lost of {loss:?}: that shows nothing");
        writeln!(std::io::stderr(), "{lost} answers to commits were lost ({loss:?})")?;
    }
    writeln!(std::io::stderr(), "{} events, each counted once", shop.sent())?;
    twins.done();
    Ok(())
}
