//! Every way in: gRPC, the tracking API of Segment and `RudderStack`, platform callbacks.
//!
//! An event is judged, known again if it came before, appended to the raw log, and answered for once it is durable.

mod api;
mod config;
mod domain;
mod http;
mod intake;
mod jobs;
mod sources;
mod store;

use chassis::{Context, Parts, Service};
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use wire::ingest::ingest_service_server::IngestServiceServer;

pub use config::Config;

/// The service.
#[derive(Debug)]
pub struct Ingest;

impl Service for Ingest {
    const NAME: &'static str = "ingest";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migration::all()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let sources = sources::Sources::open(&cx.db, cx.dev).await?;
        if cx.db.is_shared() {
            cx.tasks.spawn("ingest sources", sources.clone().follow());
        }
        let intake = intake::Intake::open(&config, &cx).await?;
        jobs::start(&config, &cx)?;
        let web = http::routes(&config, &cx, intake.clone(), sources.clone())?;
        let api = api::Api { clock: cx.clock, db: cx.db, dev: cx.dev, intake, sources };
        let server = IngestServiceServer::new(api).max_decoding_message_size(chassis::rpc::MAX_MESSAGE_BYTES);
        Ok(Parts::default()
            .needs_log()
            .grpc(move |routes| {
                routes.add_service(server);
            })
            .http(web))
    }
}
