//! Segmentation: groups people exactly and in real time. Segments, the managed rules of other services, and tier sets
//! are evaluated as events arrive and at the very moments when time alone changes an answer.

mod api;
mod config;
mod domain;
mod engine;
mod events;
mod history;
mod jobs;
mod store;
mod work;

use std::sync::Arc;

use bus::Stream;
use chassis::{Context, Parts, Service, rpc};
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use wire::segmentation::segmentation_service_server::SegmentationServiceServer;

pub use crate::config::Config;
use crate::engine::Engine;

/// The service.
#[derive(Debug)]
pub struct Segmentation;

impl Service for Segmentation {
    const NAME: &'static str = "segmentation";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(store::migration::Tables)]
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        config.retry()?;
        let batch = config.batch;
        let engine = Arc::new(Engine::new(cx.clone(), config));
        let consumer = events::Consumer { engine: engine.clone() };
        let applied = cx.consume(Stream::Events, Arc::new(consumer), batch);
        jobs::register(&engine);
        let api = api::Api::new(&engine, applied);
        let server = SegmentationServiceServer::new(api).max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        Ok(Parts::default().grpc(move |routes| {
            routes.add_service(server);
        }))
    }
}
