//! Identity: recognises the same person everywhere, explainably and reversibly.
//!
//! Every identifier is a record; evidence links records; a customer is a set of linked records. What was accepted on
//! the raw stream is published again with the customer and record it belongs to.

mod api;
mod config;
mod domain;
mod engine;
mod events;
mod facts;
mod memory;
mod repeats;
mod store;
mod work;

use std::sync::Arc;

use bus::Stream;
use chassis::{Context, Parts, Service, rpc};
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use wire::identity::identity_service_server::IdentityServiceServer;

pub use config::Config;

/// The service.
#[derive(Debug)]
pub struct Identity;

impl Service for Identity {
    const NAME: &'static str = "identity";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(store::migration::Initial)]
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let engine = Arc::new(engine::Engine::new(&config, &cx));
        cx.consume(
            Stream::Raw,
            Arc::new(events::raw::Raw::new(engine.clone(), cx.log.clone())),
            config.batch,
        );
        let server = IdentityServiceServer::new(api::Api::new(engine))
            .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        Ok(Parts::default().grpc(move |routes| {
            routes.add_service(server);
        }))
    }
}
