//! Analytics: every event in sorted columnar segments, and trends, funnels and scans over them.

mod api;
mod config;
mod current;
pub mod domain;
pub mod engine;
mod events;
mod jobs;
mod reader;
mod store;

use std::path::Path;

use ::store::Applied;
use bus::Stream;
use chassis::{Alarm, Context, Parts};
use kernel::Result;
use sea_orm_migration::MigrationTrait;

use api::Api;
pub use config::Config;
use current::{Current, LEASE};
use engine::files::Files;
use reader::{Reader, apart};

/// The service.
#[derive(Debug)]
pub struct Analytics;

impl chassis::Service for Analytics {
    const NAME: &'static str = "analytics";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migration::all()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let flush_age = config.flush_age()?;
        cx.relies_on_log("analytics.flush_age", flush_age)?;
        let options = config.engine(cx.folder.clone(), cx.db.is_shared())?;
        check(&options.folder, &cx).await?;
        let applied =
            Applied::new(cx.db.clone(), cx.log.clone(), Stream::Events, cx.leases.clone(), Some(LEASE));
        let current = Current::new(cx.leases.clone(), cx.log.clone(), applied.clone());
        cx.metrics.watch_consumer(cx.service, Stream::Events, &applied);
        let compaction = Alarm::default();
        let (compacted, db) = (current.clone(), cx.db.clone());
        // Not leased by itself: only what is opened under the lease is compacted, by who opened it.
        cx.own_job("compaction", compaction.clone(), move || {
            jobs::compaction::run(compacted.clone(), db.clone())
        });
        let reader = Reader {
            db: cx.db.clone(),
            log: cx.log.clone(),
            clock: cx.clock.clone(),
            ids: cx.ids.clone(),
            activity: cx.activity.clone(),
            leases: cx.leases.clone(),
            options,
            current: current.clone(),
            applied,
            batch: config.batch.max(1),
            flush_age,
            compaction,
        };
        cx.tasks.spawn("analytics reader", reader.run());
        let server = Api::new(&cx, current.clone(), config.queries).server();
        let parts = Parts::default().ready_when("the events are not opened yet", move || current.is_open());
        Ok(parts.grpc(|routes| {
            routes.add_service(server);
        }))
    }
}

/// Refuses files that are missing or damaged here and not later: an operator is looking. Whoever has the lease may compact
/// them meanwhile, so what is registered is looked up again before that is said.
async fn check(folder: &Path, cx: &Context) -> Result<()> {
    let mut segments = store::segments(cx.db.read()).await?;
    loop {
        let (folder, registered) = (folder.to_owned(), segments.clone());
        let Err(flaw) = apart(move || Files::found(&folder)?.check(&registered)).await else { return Ok(()) };
        let now = store::segments(cx.db.read()).await?;
        if now == segments {
            return Err(flaw);
        }
        segments = now;
    }
}
