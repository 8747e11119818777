//! Journeys: durable programmes that go their way with every customer by themselves.

mod api;
mod config;
mod domain;
mod events;
mod jobs;
mod registry;
mod store;

use std::sync::Arc;

use bus::Stream;
use chassis::{Alarm, Context, Parts, Service, rpc};
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use wire::journey::journey_service_server::JourneyServiceServer;

pub use config::Config;

/// The service.
#[derive(Debug)]
pub struct Journey;

impl Service for Journey {
    const NAME: &'static str = "journey";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        store::migration::all()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let shared = Arc::new(Shared::new(&config, cx.clone())?);
        cx.consume(Stream::Events, Arc::new(events::Events::new(shared.clone())), shared.knobs.event_batch);
        jobs::start(&shared);
        let server = JourneyServiceServer::new(api::Api { shared })
            .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(rpc::MAX_MESSAGE_BYTES);
        Ok(Parts::default().grpc(move |routes| {
            routes.add_service(server);
        }))
    }
}

/// What calls, events and jobs share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cx: Context,
    pub(crate) knobs: config::Knobs,
    /// Published journeys.
    pub(crate) registry: registry::Registry,
    /// Wakes the executor.
    pub(crate) runs: Alarm,
    /// Wakes the planner of dates.
    pub(crate) dates: Alarm,
}

impl Shared {
    /// # Errors
    /// What is wrong with the configuration.
    fn new(config: &Config, cx: Context) -> Result<Self> {
        Ok(Self {
            knobs: config.knobs()?,
            registry: registry::Registry::default(),
            runs: Alarm::default(),
            dates: Alarm::default(),
            cx,
        })
    }
}
