//! Analytics: every event in sorted columnar segments, and trends, funnels and scans over them.

mod api;
mod config;
pub mod domain;
pub mod engine;
mod events;
mod jobs;
mod reader;
mod store;

use std::sync::Arc;

use chassis::{Alarm, Context, Parts};
use kernel::{Error, Result};
use sea_orm_migration::MigrationTrait;

use api::Api;
pub use config::Config;
use engine::Engine;
use reader::{Progress, Reader};

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
        let registered = store::load(&cx.db).await?;
        let (options, ids) = (config.engine(cx.folder.clone()), cx.ids.clone());
        let engine = tokio::task::spawn_blocking(move || Engine::open(options, ids, &registered))
            .await
            .map_err(|cause| Error::internal("opening the segments was interrupted").caused_by(cause))??;
        let engine = Arc::new(engine);
        let progress = Progress::new(cx.log.clone());
        let compaction = Alarm::default();
        let (compacted, db) = (engine.clone(), cx.db.clone());
        cx.timed_job("compaction", compaction.clone(), move || {
            jobs::compaction::run(compacted.clone(), db.clone())
        });
        let reader = Reader {
            cx: cx.clone(),
            engine: engine.clone(),
            progress: progress.clone(),
            batch: config.batch.max(1),
            flush_age,
            compaction,
        };
        cx.tasks.spawn("analytics reader", reader.run());
        let server = Api::new(&cx, engine, progress, config.queries).server();
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(server);
        }))
    }
}
