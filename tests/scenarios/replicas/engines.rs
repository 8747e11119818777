//! The engines below the services go away and come back: nobody falls over, everybody says what is missing, what was
//! acknowledged is kept, and all catch up by themselves.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use testkit::postgres::Postgres;
use testkit::{NatsServer, Stack};
use tests::cluster::SERVICES;
use tests::platform::eventually;
use tokio::time::Instant;
use tonic::Request;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, UpdateProfileRequest, get_profile_request, update_profile_request};

use super::shop::{Shop, user};
use super::twins::{Balanced, Twins};

/// Orders at each fall.
const ORDERS: u32 = 16;

/// Longest that a change may take without the log.
const NO_LOG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn engines_fall_and_come_back_and_nothing_is_lost() -> Result<()> {
    let (mut nats, postgres) = (NatsServer::start()?, Postgres::start_apart().await?);
    let settings = Stack::engines().settings_on(&SERVICES, &nats, &postgres).await?;
    let mut twins = Twins::start_on(settings).await?;
    let shop = Shop::open(&twins).await?;
    let ingest = twins.balanced("ingest").await?;
    let falling = fall(&twins, &shop, &ingest, &mut nats, &postgres);
    let (times, orders) = tokio::select! {
        fallen = falling => fallen?,
        () = shop.browse(&ingest) => bail!("the calls ended"),
    };
    twins.all_run()?;
    let open = shop.settle(&ingest).await?;
    shop.is_exact(&twins, orders).await?;
    twins.all_run()?;
    writeln!(
        std::io::stderr(),
        "an order made while the log, then the databases came back was thanked after {times:?}; {} events, {open} calls \
         made again, each counted once",
        shop.sent()
    )?;
    twins.done();
    Ok(())
}

/// How long an order took to be thanked after each engine had come back, and how many orders there were.
async fn fall(
    twins: &Twins,
    shop: &Shop,
    ingest: &Balanced,
    nats: &mut NatsServer,
    postgres: &Postgres,
) -> Result<(Vec<Duration>, usize)> {
    let mut times = Vec::new();
    shop.deliver(ingest, "order_completed", "at first", ORDERS).await?;
    let mut orders = ORDERS as usize;
    shop.thanked(orders).await?;
    for (engine, complaint) in
        [("event log", "the connection to NATS is lost"), ("database of", "leases cannot be renewed")]
    {
        shop.deliver(ingest, "order_completed", &format!("before {engine}"), ORDERS).await?;
        if engine == "event log" {
            nats.kill();
        } else {
            postgres.crash()?;
        }
        all_say(twins, engine).await?;
        all_have_logged(twins, complaint).await?;
        if engine == "event log" {
            read_without_log(twins).await?;
            nats.restart()?;
        } else {
            postgres.restart()?;
        }
        let back = Instant::now();
        shop.deliver(ingest, "order_completed", &format!("after {engine}"), ORDERS).await?;
        orders += 2 * ORDERS as usize;
        shop.thanked(orders).await.with_context(|| format!("after {engine}"))?;
        times.push(back.elapsed());
        all_say(twins, "\"missing\":[]").await?;
    }
    Ok((times, orders))
}

/// A profile is read, and one is written: what follows from that waits in the outbox.
async fn read_without_log(twins: &Twins) -> Result<()> {
    let mut profiles = ProfileServiceClient::new(twins.balanced("profile").await?);
    let customer = Some(update_profile_request::Customer::Identifier(user(1)));
    let attributes = [("city".to_owned(), serde_json::json!("杭州"))].into_iter().collect();
    let update = UpdateProfileRequest {
        customer,
        attributes: Some(chassis::values::to_struct(attributes)),
        ..UpdateProfileRequest::default()
    };
    let mut update = Request::new(update);
    update.set_timeout(NO_LOG);
    profiles.update_profile(update).await?;
    let customer = Some(get_profile_request::Customer::Identifier(user(1)));
    let profile = profiles.get_profile(GetProfileRequest { customer }).await?.into_inner().profile;
    let kept = profile.and_then(|profile| profile.attributes).map(chassis::values::from_struct);
    ensure!(kept.is_some_and(|kept| kept.get("city").is_some_and(|city| city == "杭州")), "it was not kept");
    Ok(())
}

/// Returns when every process says these words of its readiness. Without the log what is written waits, and calls are
/// answered but for ingest's; without the database none is.
async fn all_say(twins: &Twins, words: &str) -> Result<()> {
    let asked = twins.names().into_iter().map(|name| {
        let lost = match words {
            "event log" => name.0 == "ingest",
            words => words.contains("database"),
        };
        let wanted = if lost { 503 } else { 200 };
        eventually("what a process says of its readiness", move || async move {
            let (status, said) = twins.readiness(name).await?;
            let as_wanted = status == wanted && said.contains(words);
            Ok(if as_wanted { Ok(()) } else { Err(format!("{name:?}: {status} {said}")) })
        })
    });
    try_join_all(asked).await.map(drop)
}

/// Returns when every process has these words in its log.
async fn all_have_logged(twins: &Twins, words: &str) -> Result<()> {
    for name in twins.names() {
        eventually("what a process logs", || async {
            let log = twins.log(name)?;
            Ok(if log.contains(words) { Ok(()) } else { Err(format!("{name:?}: no `{words}`")) })
        })
        .await?;
    }
    Ok(())
}
