//! Messaging: talks to customers over mail, webhooks and WeChat Official Accounts, once.
//!
//! A message is durable before `SendMessage` answers. One worker per channel writes what is due from template and
//! profile, commits the batch as being sent, calls the provider, and commits the answers together with the facts that
//! tell others. What a dying process leaves half-way is sent again only where that does no harm.

mod api;
mod config;
mod domain;
mod events;
mod facts;
mod jobs;
mod people;
mod provider;
mod store;

use bus::Stream;
use chassis::{Alarm, Context, Parts, Service, rpc};
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use wire::messaging::messaging_service_server::MessagingServiceServer;

pub use config::Config;

use api::Api;
use jobs::Dispatcher;
use provider::{Policy, Surroundings};

/// Events read from the log in one transaction.
const EVENTS: usize = 500;

/// The service.
#[derive(Debug)]
pub struct Messaging;

impl Service for Messaging {
    const NAME: &'static str = "messaging";
    const DEFAULTS: &'static str = include_str!("../config.toml");
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        crate::store::migration::all()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        let knobs = config.knobs()?;
        let around = Surroundings {
            clock: cx.clock.clone(),
            timeout: knobs.timeout,
            policy: Policy::new(config.outbound.allow_private.allowed(cx.dev)),
            concurrency: knobs.concurrency,
        };
        let applied = cx.consume(Stream::Events, events::Events::new(), EVENTS);
        let dispatcher = Dispatcher::new(cx.clone(), knobs, around.clone(), applied)?;
        let server = MessagingServiceServer::new(Api::new(&cx, &dispatcher, around))
            .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        cx.leased_job(jobs::LEASE, "dispatch", Alarm::default(), move || {
            let dispatcher = dispatcher.clone();
            async move { dispatcher.start_workers().await }
        });
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(server);
        }))
    }
}
