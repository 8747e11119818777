//! Calls within and from outside a process behave alike: who may, how long, and what is told.

use std::time::{Duration, Instant};

use chassis::Caller;
use chassis::rpc;
use futures::future::join_all;
use kernel::{Kind, Workspace};
use testkit::Stage;
use tonic::{Code, Request};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{QueryFunnelRequest, QueryTrendRequest};

use crate::mirror::{asking, stage};

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

/// Protobuf lets any number through; a service would take it for "unspecified".
#[tokio::test]
async fn numbers_that_no_enum_has_are_refused() {
    let stage = stage().await;
    for group in [0, 1] {
        let request = QueryTrendRequest { measure: group, ..asking("") };
        AnalyticsServiceClient::new(stage.client()).query_trend(request).await.unwrap();
    }
    let request = QueryTrendRequest { measure: 77, ..asking("") };
    let outside = AnalyticsServiceClient::new(stage.client()).query_trend(request.clone()).await.unwrap_err();
    let within = rpc::call(local(&stage).query_trend(rpc::request(&demo(), request))).await.unwrap_err();
    for error in [chassis::status::from_status(&outside), within] {
        assert_eq!((error.kind, error.violations[0].field.as_str()), (Kind::Invalid, "measure"));
        let said = &error.violations[0].description;
        assert!(said.contains("77 is no Measure; there are MEASURE_COUNT = 1"), "{said}");
    }
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

/// Frames of fewer than 256 bytes that wait to be read are on a budget of their connection (h2 against floods of them);
/// each of these calls is one.
#[tokio::test]
async fn thousands_of_small_calls_share_a_connection() {
    let stage = stage().await;
    let client = AnalyticsServiceClient::new(stage.client());
    let calls = (0..2_000).map(|_| {
        let mut client = client.clone();
        async move { client.query_trend(asking("")).await }
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
}
