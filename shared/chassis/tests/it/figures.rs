//! Figures of what waits: each is above zero while something does, or nobody would be woken by them.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bus::Stream;
use chassis::{Alarm, Assembly, Context, Layers, Parts, Service};
use kernel::{Error, Result, Workspace};
use sea_orm_migration::MigrationTrait;
use serde_json::json;
use store::{Delivery, Handler, Tenant, Unit};
use testkit::{Stack, Stage};

use crate::mirror::Options;

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long it is that nothing goes on.
const LATE: Duration = Duration::from_secs(90);

/// A service that does nothing it should.
struct Idler;

impl Service for Idler {
    const NAME: &'static str = "idler";
    const DEFAULTS: &'static str = "";
    type Config = Options;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: Self::Config, cx: Context) -> Result<Parts> {
        cx.consume(Stream::Events, Arc::new(Reluctant), 10);
        cx.timed_job("hopeless", Alarm::default(), || ready(Err(Error::unavailable("not today"))));
        Ok(Parts::default())
    }
}

/// Cannot take what is wrong, and will not take the rest.
struct Reluctant;

impl Handler for Reluctant {
    async fn apply(&self, _: &mut Unit, batch: &[Delivery]) -> Result<()> {
        if batch.iter().any(|delivery| delivery.event.name == "wrong") {
            return Err(Error::invalid("name", "is wrong"));
        }
        Err(Error::unavailable("not today"))
    }
}

/// The figure of the idler.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("guanxi_{name}{{service=\"idler\"")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
}

/// Returns once the figures are at least that.
async fn shows(stage: &Stage, wanted: &[(&str, f64)]) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut last = String::new();
    let reached = async {
        loop {
            ticks.tick().await;
            let answer = reqwest::get(format!("http://{}/metrics", stage.running.http)).await.unwrap();
            last = answer.text().await.unwrap();
            if wanted.iter().all(|(name, least)| figure(&last, name) >= *least) {
                return;
            }
        }
    };
    if tokio::time::timeout(DEADLINE, reached).await.is_err() {
        panic!("{wanted:?} are not reached:\n{last}");
    }
}

#[tokio::test]
async fn what_waits_is_shown() {
    let assembly = Assembly::new(Layers::default()).with::<Idler>();
    // On files no other process publishes what this one leaves.
    let stage = Stage::open_on(Stack::Embedded, assembly).await.unwrap();
    let event = |id: &str, name: &str| {
        testkit::event(id, name, stage.warp.now(), &["user_id=王芳"], json!({"city": "上海"}))
    };
    stage.append(Stream::Events, 1, &[event("e1", "wrong")]).await.unwrap();
    // Written beside the process, which hears nothing of it: so it stays in the outbox.
    let beside = stage.database::<Idler>().await.unwrap();
    let written = async {
        let mut unit = beside.begin().await?;
        unit.publish(&Workspace::new("demo"), &event("e2", "left"));
        unit.commit().await
    };
    Tenant::Platform.scope(written).await.unwrap();
    shows(&stage, &[("dead_letters", 1.0), ("outbox_rows", 1.0)]).await;
    stage.append(Stream::Events, 2, &[event("e3", "fine"), event("e4", "fine")]).await.unwrap();
    shows(&stage, &[("log_lag_events", 1.0), ("due_lag_seconds", 0.0)]).await;
    let now = stage.warp.now();
    stage.warp.advance_to(now.plus(LATE));
    let late = LATE.as_secs_f64();
    shows(&stage, &[("log_lag_seconds", late), ("due_lag_seconds", late), ("outbox_lag_seconds", 0.1)]).await;
}
