//! A service that tells who called, and can be slow or broken.

use std::pin::Pin;

use chassis::rpc::{self, Rpc};
use chassis::{Assembly, Caller, Context, Layers, Parts, Service};
use futures::Stream;
use kernel::Result;
use sea_orm_migration::MigrationTrait;
use testkit::Stage;
use tonic::{Request, Response, Status};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::analytics_service_server::{AnalyticsService, AnalyticsServiceServer};
use wire::analytics::{
    QueryFunnelRequest, QueryFunnelResponse, QueryTrendRequest, QueryTrendResponse, ScanEventsRequest,
    ScanEventsResponse, Series,
};

/// The service.
pub(crate) struct Mirror {
    rpc: Rpc,
}

/// It has no options beside those of its database.
#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct Options {}

impl Service for Mirror {
    const NAME: &'static str = "mirror";
    const DEFAULTS: &'static str = "";
    type Config = Options;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: Self::Config, cx: Context) -> Result<Parts> {
        let mirror = Self { rpc: cx.rpc };
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(AnalyticsServiceServer::new(mirror));
        }))
    }
}

impl Mirror {
    async fn trend(&self, caller: Caller, request: QueryTrendRequest) -> Result<QueryTrendResponse> {
        match request.event.as_str() {
            "broken" => Err(kernel::Error::internal("password=geheim")),
            // It never answers: only the deadline ends it.
            "slow" => std::future::pending().await,
            "who" => {
                let via = caller.via.as_deref().unwrap_or("-");
                let key = format!("{} {} {via} {}", caller.workspace, caller.subject, caller.scope());
                Ok(QueryTrendResponse { series: vec![Series { key, ..Series::default() }] })
            }
            // One hop more: the second call has what is left of the first one's time.
            "slow_behind" | "who_behind" => {
                let event = request.event.trim_end_matches("_behind").to_owned();
                let request = QueryTrendRequest { event, ..Default::default() };
                rpc::call(
                    AnalyticsServiceClient::new(self.rpc.to("mirror"))
                        .query_trend(rpc::request(&caller, request)),
                )
                .await
            }
            _ => {
                let key = format!("{} {}", caller.workspace, rpc::trace_parent());
                Ok(QueryTrendResponse { series: vec![Series { key, ..Series::default() }] })
            }
        }
    }
}

#[tonic::async_trait]
impl AnalyticsService for Mirror {
    type ScanEventsStream = Pin<Box<dyn Stream<Item = Result<ScanEventsResponse, Status>> + Send>>;

    async fn query_trend(
        &self,
        request: Request<QueryTrendRequest>,
    ) -> Result<Response<QueryTrendResponse>, Status> {
        rpc::answer(request, |caller, message| self.trend(caller, message)).await
    }

    async fn query_funnel(
        &self,
        request: Request<QueryFunnelRequest>,
    ) -> Result<Response<QueryFunnelResponse>, Status> {
        rpc::answer(request, async |_, _| Err(kernel::Error::invalid("window", "is required"))).await
    }

    async fn scan_events(
        &self,
        _: Request<ScanEventsRequest>,
    ) -> Result<Response<Self::ScanEventsStream>, Status> {
        Err(Status::unavailable("not here"))
    }
}

/// A process that serves it.
pub(crate) async fn stage() -> Stage {
    Stage::open(Assembly::new(Layers::default()).with::<Mirror>()).await.unwrap()
}

/// A request that names what the mirror shall do.
pub(crate) fn asking(event: &str) -> QueryTrendRequest {
    QueryTrendRequest { event: event.to_owned(), ..Default::default() }
}
