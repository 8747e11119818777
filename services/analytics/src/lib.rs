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
        let (options, segments) = (config.engine(cx.folder.clone()), store::segments(cx.db.read()).await?);
        // Refused here and not later: an operator is looking.
        let folder = options.folder.clone();
        apart(move || Files::found(&folder)?.check(&segments)).await?;
        let current = Current::new(cx.leases.clone());
        let applied =
            Applied::new(cx.db.clone(), cx.log.clone(), Stream::Events, cx.leases.clone(), Some(LEASE));
        cx.metrics.watch_consumer(cx.service, Stream::Events, &applied);
        let compaction = Alarm::default();
        let (compacted, db) = (current.clone(), cx.db.clone());
        // Not leased by itself: only what is opened under the lease of the log is compacted, by who opened it.
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
            applied: applied.clone(),
            batch: config.batch.max(1),
            flush_age,
            compaction,
        };
        cx.tasks.spawn("analytics reader", reader.run());
        let server = Api::new(&cx, current, applied, config.queries).server();
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(server);
        }))
    }
}
