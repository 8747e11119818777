//! The profile service: what is known of a customer now — attributes, tags — and what happened to them.
//!
//! Everything is kept per identity record; a customer is the fold of its records, so that taking a merge back restores
//! both sides exactly.

mod api;
pub mod config;
mod domain;
mod events;
mod jobs;
mod store;
mod tagging;

use std::sync::Arc;

use ::store::{Database, Gathered, Reader};
use bus::Stream;
use chassis::rpc::{self, Rpc};
use chassis::{Alarm, Context, Parts, Service};
use kernel::{Clock, Ids, Result, Workspace, Workspaces};
use prometheus_client::metrics::counter::Counter;
use sea_orm_migration::MigrationTrait;
use uuid::Uuid;
use wire::profile::profile_service_server::ProfileServiceServer;
use wire::profile::tag_service_server::TagServiceServer;

use crate::api::assemble::Kept;
use crate::config::{Config, Knobs};

/// The service.
#[derive(Debug)]
pub struct Profile;

/// What API, events and jobs share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) db: Database,
    /// What is kept of the records of one customer and others.
    pub(crate) kept: Gathered<Vec<Uuid>, Kept>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) rpc: Rpc,
    pub(crate) workspaces: Workspaces,
    pub(crate) knobs: Knobs,
    /// Rung when an assignment with an end was made.
    pub(crate) expiry: Alarm,
    /// Rung when assignments no longer fit their definition.
    pub(crate) sweep: Alarm,
    /// Traits that were not kept.
    pub(crate) refused: Counter,
}

impl Service for Profile {
    const NAME: &'static str = "profile";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        crate::store::migration::all()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let shared = Shared {
            knobs: config.knobs()?,
            expiry: Alarm::default(),
            sweep: Alarm::default(),
            refused: Counter::default(),
            kept: Gathered::new(cx.db.read(), kept),
            db: cx.db.clone(),
            clock: cx.clock.clone(),
            ids: cx.ids.clone(),
            rpc: cx.rpc.clone(),
            workspaces: cx.workspaces.clone(),
        };
        let refused = shared.refused.clone();
        cx.metrics.register(|registry| {
            registry.register(
                "profile_traits_refused",
                "Traits that exceed a limit and were not kept",
                refused,
            );
        });
        let events = Arc::new(events::Events::new(shared.clone()));
        cx.consume(Stream::Events, events, config.batch.max(1));
        jobs::start(&cx, &shared);
        let profiles = ProfileServiceServer::new(api::Api::new(shared.clone()));
        let tags = TagServiceServer::new(api::Api::new(shared));
        Ok(Parts::default()
            .grpc(|routes| {
                routes.add_service(profiles.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES));
            })
            .grpc(|routes| {
                routes.add_service(tags.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES));
            }))
    }
}

async fn kept(reader: Reader, workspace: Workspace, records: Vec<Vec<Uuid>>) -> Result<Kept> {
    Kept::read(&reader, &workspace, &records.concat()).await
}
