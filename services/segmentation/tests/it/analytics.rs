//! Stands in for analytics: answers `ScanEvents` from the log itself.

use std::collections::HashMap;
use std::sync::Arc;

use bus::{Log, Stream as LogStream};
use chassis::{Context, Parts, Service};
use futures::stream::BoxStream;
use kernel::{Result, Time};
use tonic::{Request, Response, Status};
use wire::analytics::analytics_service_server::{AnalyticsService, AnalyticsServiceServer};
use wire::analytics::*;
use wire::event::Event;

/// The service.
#[derive(Debug)]
pub(crate) struct FakeAnalytics;

/// Nothing but the database every service has.
#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct Config {
    database: store::DatabaseConfig,
}

impl Service for FakeAnalytics {
    const NAME: &'static str = "analytics";
    const DEFAULTS: &'static str = "";
    type Config = Config;

    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: Config, cx: Context) -> Result<Parts> {
        let server = AnalyticsServiceServer::new(Api { log: cx.log });
        Ok(Parts::default().grpc(move |routes| {
            routes.add_service(server);
        }))
    }
}

struct Api {
    log: Arc<dyn Log>,
}

impl Api {
    /// Every event before the positions, with today's customer.
    async fn events(&self, up_to: &[LogPosition]) -> Vec<Event> {
        let mut owners = HashMap::new();
        let mut events: Vec<Event> = Vec::new();
        for partition in 0..self.log.partitions() {
            let limit = up_to.iter().find(|p| p.partition == partition).map_or(u64::MAX, |p| p.position);
            let mut next = 0;
            loop {
                let entries = self.log.read(LogStream::Events, partition, next, 1_000).await.unwrap();
                let Some(last) = entries.last() else { break };
                next = last.position + 1;
                for entry in &entries {
                    let decoded: Event = prost::Message::decode(entry.record.payload.clone()).unwrap();
                    owners.entry(decoded.record_id.clone()).or_insert(decoded.customer_id.clone());
                    owners.extend(super::world::moves(&decoded));
                    if entry.position < limit {
                        events.push(decoded);
                    }
                }
            }
        }
        for event in &mut events {
            event.customer_id.clone_from(&owners[&event.record_id]);
        }
        events
    }
}

#[tonic::async_trait]
impl AnalyticsService for Api {
    async fn query_trend(
        &self,
        _: Request<QueryTrendRequest>,
    ) -> Result<Response<QueryTrendResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn query_funnel(
        &self,
        _: Request<QueryFunnelRequest>,
    ) -> Result<Response<QueryFunnelResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    type ScanEventsStream = BoxStream<'static, Result<ScanEventsResponse, Status>>;

    async fn scan_events(
        &self,
        request: Request<ScanEventsRequest>,
    ) -> Result<Response<Self::ScanEventsStream>, Status> {
        let ask = request.into_inner();
        let from = ask.from.as_ref().map_or(Time::MIN, Time::from);
        let wanted = |event: &Event| {
            (ask.names.is_empty() || ask.names.contains(&event.name))
                && (ask.customer_ids.is_empty() || ask.customer_ids.contains(&event.customer_id))
                && chassis::fact::time(event) >= from
        };
        let events: Vec<Event> = self.events(&ask.up_to).await.into_iter().filter(wanted).collect();
        let pages: Vec<_> =
            events.chunks(7).map(|page| Ok(ScanEventsResponse { events: page.to_vec() })).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(pages))))
    }
}
