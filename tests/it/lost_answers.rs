//! Answers of PostgreSQL to commits get lost, in every service: what looks failed was done all the same, and must not be
//! done again. Always on PostgreSQL and JetStream, whatever `STACK` says.

use std::io::Write as _;

use anyhow::Result;
use testkit::postgres::Postgres;
use testkit::{Lossy, Stack};
use tests::cluster::SERVICES;

use crate::replicas::shop::Shop;
use crate::replicas::twins::Twins;

/// So many customers look and order at a time.
const LOT: u32 = 20;
/// So often.
const LOTS: u32 = 25;
/// Of so many commits the answer to one is lost.
const EVERY: usize = 11;

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
    line.lose(EVERY);
    for lot in 0..LOTS {
        shop.deliver(&ingest, "product_viewed", &lot.to_string(), LOT).await?;
        shop.deliver(&ingest, "order_completed", &lot.to_string(), LOT).await?;
    }
    let orders = (LOTS * LOT) as usize;
    shop.thanked(orders).await?;
    line.lose(0);
    shop.is_exact(&twins, orders).await?;
    twins.all_run()?;
    let lost = line.lost();
    assert!(lost >= 30, "{lost} answers were lost: that shows nothing");
    writeln!(
        std::io::stderr(),
        "{lost} answers to commits were lost; {} events, each counted once",
        shop.sent()
    )?;
    twins.done();
    Ok(())
}
