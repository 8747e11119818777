//! Who asks too much is told so at once, and when to come again.

use std::time::{Duration, Instant};

use futures::future::join_all;
use kernel::{Error, Kind};
use testkit::{Keys, Stage};
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;

use crate::elsewhere::mirror;
use crate::mirror::asking;

const SECOND: Duration = Duration::from_secs(1);

/// A process that is no development, with these limits.
async fn limited(keys: &Keys, limits: &[&str]) -> Stage {
    let dev = "common.dev=false".to_owned();
    let more: Vec<String> =
        limits.iter().map(|limit| format!("common.limits.{limit}")).chain([dev]).collect();
    mirror(keys, &more).await
}

fn channel(stage: &Stage) -> Channel {
    Endpoint::from_shared(format!("http://{}", stage.running.grpc)).unwrap().connect_lazy()
}

async fn ask(stage: &Stage, token: &str, event: &str, patience: Duration) -> Result<(), Error> {
    let mut request = Request::new(asking(event));
    request.set_timeout(patience);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = AnalyticsServiceClient::new(channel(stage)).query_trend(request).await;
    answer.map(drop).map_err(|status| chassis::status::from_status(&status))
}

/// Exhausted, with the time to wait.
fn wait(answer: Result<(), Error>) -> Duration {
    let error = answer.unwrap_err();
    assert_eq!(error.kind, Kind::Exhausted, "{error}");
    error.retry_after.unwrap()
}

#[tokio::test]
async fn a_workspace_waits_for_its_turn_and_no_other_does() {
    let keys = Keys::new().unwrap();
    let stage =
        limited(&keys, &["workspace.calls_per_second=2", "workspace.burst=4", "subject.calls_per_second=0"])
            .await;
    let token = |workspace: &str, subject: &str| {
        keys.token(&stage.clock, workspace, subject, "analytics.read").unwrap()
    };
    let who = [token("shop-1", "李伟"), token("shop-1", "王芳"), token("shop-2", "李伟")];
    for turn in 0..4 {
        ask(&stage, &who[turn % 2], "who", SECOND).await.unwrap();
    }
    let told = wait(ask(&stage, &who[0], "who", SECOND).await);
    assert_eq!(told, Duration::from_millis(500));
    ask(&stage, &who[2], "who", SECOND).await.unwrap();
    stage.advance(told - Duration::from_micros(1)).await;
    assert_eq!(wait(ask(&stage, &who[1], "who", SECOND).await), Duration::from_micros(1));
    stage.advance(Duration::from_micros(1)).await;
    ask(&stage, &who[1], "who", SECOND).await.unwrap();
}

#[tokio::test]
async fn a_subject_does_not_use_up_what_others_may() {
    let keys = Keys::new().unwrap();
    let stage = limited(&keys, &["subject.calls_per_second=1", "subject.burst=2"]).await;
    let token = |subject: &str| keys.token(&stage.clock, "shop-1", subject, "analytics.read").unwrap();
    let (busy, calm) = (token("李伟"), token("王芳"));
    let mut refused = 0;
    for _ in 0..10 {
        refused += u32::from(ask(&stage, &busy, "who", SECOND).await.is_err());
        // Another token of the same one.
        stage.advance(Duration::from_micros(1)).await;
        refused += u32::from(ask(&stage, &token("李伟"), "who", SECOND).await.is_err());
    }
    assert_eq!(refused, 18);
    ask(&stage, &calm, "who", SECOND).await.unwrap();
}

#[tokio::test]
async fn a_call_of_a_service_was_counted_where_it_began() {
    let keys = Keys::new().unwrap();
    let there = limited(&keys, &["workspace.calls_per_second=1", "subject.calls_per_second=1"]).await;
    let here = mirror(&keys, &[format!("common.services.mirror=http://{}", there.running.grpc)]).await;
    let token = keys.token(&here.clock, "shop-1", "李伟", "analytics.read").unwrap();
    for _ in 0..10 {
        ask(&here, &token, "who_behind", SECOND).await.unwrap();
    }
    ask(&there, &token, "who", SECOND).await.unwrap();
    wait(ask(&there, &token, "who", SECOND).await);
}

#[tokio::test]
async fn calls_beyond_the_places_are_shed_and_not_queued() {
    let keys = Keys::new().unwrap();
    let stage = limited(&keys, &["calls_in_progress=2"]).await;
    let token = keys.token(&stage.clock, "shop-1", "李伟", "analytics.read").unwrap();
    let patience = Duration::from_secs(3);
    let slow = join_all((0..2).map(|_| ask(&stage, &token, "slow", patience)));
    let others = async {
        let begin = Instant::now();
        // Until both are inside, others find a place.
        while ask(&stage, &token, "who", SECOND).await.is_ok() {
            assert!(begin.elapsed() < patience, "nothing is shed");
        }
        let refused = Instant::now();
        let told = wait(ask(&stage, &token, "who", patience).await);
        assert!(refused.elapsed() < SECOND && !told.is_zero(), "{told:?}");
        // Whether the process lives is answered all the same, and so are calls within it.
        HealthClient::new(channel(&stage)).check(HealthCheckRequest::default()).await.unwrap();
        let within = kernel::Workspace::new("shop-1");
        crate::elsewhere::ask(&stage, &chassis::Caller::system(within, "test"), "who").await.unwrap();
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert!(slow.into_iter().all(|answer| answer.unwrap_err().kind == Kind::Deadline));
    // The places are free again, also those of callers who went away.
    let begin = Instant::now();
    while ask(&stage, &token, "who", SECOND).await.is_err() {
        assert!(begin.elapsed() < patience, "places are lost");
    }
}

#[tokio::test]
async fn requests_hold_no_more_bytes_than_they_may() {
    let keys = Keys::new().unwrap();
    let stage = limited(&keys, &["bytes_in_progress=1000000"]).await;
    let token = keys.token(&stage.clock, "shop-1", "李伟", "analytics.read").unwrap();
    let patience = Duration::from_secs(3);
    let large = |event: &str| {
        let mut request = Request::new(asking(event));
        request.get_mut().filter = "x".repeat(600_000);
        request.set_timeout(patience);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let ask_large = async |event: &str| {
        let answer = AnalyticsServiceClient::new(channel(&stage)).query_trend(large(event)).await;
        answer.map(drop).map_err(|status| chassis::status::from_status(&status))
    };
    let others = async {
        let begin = Instant::now();
        // Until the first one is inside, the others find room.
        let refused = loop {
            if let Err(error) = ask_large("who").await {
                break error;
            }
            assert!(begin.elapsed() < patience, "nothing is refused");
        };
        assert!(refused.message.contains("bytes_in_progress"), "{refused}");
        assert!(!wait(Err(refused)).is_zero());
        ask(&stage, &token, "who", SECOND).await.expect("a small one has room");
    };
    let (slow, ()) = tokio::join!(ask_large("slow"), others);
    assert_eq!(slow.unwrap_err().kind, Kind::Deadline);
    ask_large("who").await.expect("the room is given back");
}
