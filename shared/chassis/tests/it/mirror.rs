//! A service that tells who called, and can be slow or broken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chassis::rpc::{self, Rpc};
use chassis::{Assembly, Caller, Context, Layers, Parts, Service};
use futures::Stream;
use kernel::{Activity, Result};
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
    activity: Activity,
    /// Calls in work, as the activity of its process knows them.
    at_work: Arc<AtomicUsize>,
}

/// A call that is in work until this is dropped.
struct AtWork(Arc<AtomicUsize>, Activity);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.touch();
    }
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
        let at_work = Arc::new(AtomicUsize::new(0));
        let counted = at_work.clone();
        cx.activity.register("mirror calls", move || counted.load(Ordering::SeqCst) == 0);
        let cold = cx.folder.join("cold");
        let mirror = Self { rpc: cx.rpc, activity: cx.activity, at_work };
        Ok(Parts::default().ready_when("the mirror is cold", move || !cold.exists()).grpc(|routes| {
            routes.add_service(AnalyticsServiceServer::new(mirror));
        }))
    }
}

impl Mirror {
    async fn trend(
        &self,
        caller: Caller,
        request: QueryTrendRequest,
        timeout: String,
    ) -> Result<QueryTrendResponse> {
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let _at_work = AtWork(self.at_work.clone(), self.activity.clone());
        match request.event.as_str() {
            "broken" => Err(kernel::Error::internal("password=geheim")),
            // It never answers: only the deadline ends it.
            "slow" => std::future::pending().await,
            // What is left of the call's time, in milliseconds.
            "time" => Ok(QueryTrendResponse { series: vec![Series { key: timeout, ..Series::default() }] }),
            "who" => {
                let via = caller.via.as_deref().unwrap_or("-");
                let key = format!("{} {} {via} {}", caller.workspace, caller.subject, caller.scope());
                Ok(QueryTrendResponse { series: vec![Series { key, ..Series::default() }] })
            }
            // One hop more: the second call has what is left of the first one's time.
            behind if behind.ends_with("_behind") => {
                let event = behind.strip_suffix("_behind").unwrap_or_default().to_owned();
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
        let timeout = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
        let timeout = timeout.unwrap_or_default().to_owned();
        rpc::answer(request, |caller, message| self.trend(caller, message, timeout)).await
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
