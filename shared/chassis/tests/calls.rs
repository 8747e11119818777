//! Calls within and from outside a process behave alike: who may, how long, and what is told.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::pin::Pin;
use std::time::{Duration, Instant};

use chassis::rpc::{self, Rpc};
use chassis::{Assembly, Caller, Context, Layers, Parts, Service};
use futures::Stream;
use kernel::{Kind, Result, Workspace};
use sea_orm_migration::MigrationTrait;
use testkit::Stage;
use tonic::{Code, Request, Response, Status};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::analytics_service_server::{AnalyticsService, AnalyticsServiceServer};
use wire::analytics::{
    QueryFunnelRequest, QueryFunnelResponse, QueryTrendRequest, QueryTrendResponse, ScanEventsRequest,
    ScanEventsResponse, Series,
};

/// A service that tells who called, and can be slow or broken.
struct Mirror {
    rpc: Rpc,
}

/// It has no options beside those of its database.
#[derive(serde::Deserialize, serde::Serialize)]
struct Options {}

impl Service for Mirror {
    const NAME: &'static str = "mirror";
    const DEFAULTS: &'static str = "[database]\nurl = \"\"\nconnections = 1\n";
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
            // One hop more: the second call has what is left of the first one's time.
            "slow_behind" => {
                let request = QueryTrendRequest { event: "slow".to_owned(), ..Default::default() };
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

async fn stage() -> Stage {
    Stage::open(Assembly::new(Layers::default()).with::<Mirror>()).await.unwrap()
}

fn asking(event: &str) -> QueryTrendRequest {
    QueryTrendRequest { event: event.to_owned(), ..Default::default() }
}

fn demo() -> Caller {
    Caller::system(Workspace::new("demo"), "test")
}

fn local(stage: &Stage) -> AnalyticsServiceClient<rpc::Channel> {
    AnalyticsServiceClient::new(stage.running.rpc.to("mirror"))
}

#[tokio::test]
async fn the_workspace_comes_from_the_token() {
    let stage = stage().await;
    let answer =
        AnalyticsServiceClient::new(stage.client()).query_trend(asking("")).await.unwrap().into_inner();
    assert_eq!(answer.series[0].key, "demo ");
    let other = Caller::system(Workspace::new("other"), "test");
    let answer = rpc::call(local(&stage).query_trend(rpc::request(&other, asking("")))).await.unwrap();
    assert_eq!(answer.series[0].key, "other ");
}

#[tokio::test]
async fn strangers_and_callers_without_the_scope_are_refused() {
    let stage = stage().await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", stage.running.grpc))
        .unwrap()
        .connect_lazy();
    let mut stranger = AnalyticsServiceClient::new(channel);
    assert_eq!(stranger.query_trend(asking("")).await.unwrap_err().code(), Code::Unauthenticated);
    let mut wrong = Request::new(asking(""));
    wrong.metadata_mut().insert("authorization", "Bearer prod".parse().unwrap());
    assert_eq!(stranger.query_trend(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    let limited = Caller::limited(Workspace::new("demo"), "reader", ["profiles.read".to_owned()]);
    let error = rpc::call(local(&stage).query_trend(rpc::request(&limited, asking("")))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Forbidden);
    assert!(error.message.contains("analytics.read"), "{error}");
}

#[tokio::test]
async fn deadlines_hold_within_and_from_outside_and_over_hops() {
    let stage = stage().await;
    for event in ["slow", "slow_behind"] {
        let begin = Instant::now();
        let mut request = Request::new(asking(event));
        request.set_timeout(Duration::from_millis(100));
        let outside = AnalyticsServiceClient::new(stage.client()).query_trend(request).await.unwrap_err();
        assert!(matches!(outside.code(), Code::DeadlineExceeded | Code::Cancelled), "{outside}");
        let mut request = rpc::request(&demo(), asking(event));
        request.set_timeout(Duration::from_millis(100));
        let within = rpc::call(local(&stage).query_trend(request)).await.unwrap_err();
        assert_eq!(within.kind, Kind::Deadline);
        assert!(begin.elapsed() < Duration::from_secs(10), "{event} took {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn the_trace_travels() {
    let stage = stage().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut request = Request::new(asking(""));
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    let answer = AnalyticsServiceClient::new(stage.client()).query_trend(request).await.unwrap().into_inner();
    assert_eq!(answer.series[0].key, format!("demo {trace}"));
}

#[tokio::test]
async fn faults_are_hidden_and_wrong_fields_are_named() {
    let stage = stage().await;
    let mut client = AnalyticsServiceClient::new(stage.client());
    let broken = client.query_trend(asking("broken")).await.unwrap_err();
    assert_eq!((broken.code(), broken.message()), (Code::Internal, "internal error"));
    let wrong = client.query_funnel(QueryFunnelRequest::default()).await.unwrap_err();
    let error = chassis::status::from_status(&wrong);
    assert_eq!((error.kind, error.violations[0].field.as_str()), (Kind::Invalid, "window"));
}

#[tokio::test]
async fn open_calls_finish_when_the_process_stops() {
    let stage = stage().await;
    let mut client = AnalyticsServiceClient::new(stage.client());
    client.query_trend(asking("")).await.unwrap();
    let metrics = stage.running.metrics.render();
    assert!(metrics.contains(
        "guanxi_rpc_calls_total{method=\"/guanxi.analytics.v1.AnalyticsService/QueryTrend\",code=\"0\"} 1"
    ));
    stage.running.shutdown().await;
    assert!(client.query_trend(asking("")).await.is_err());
}
