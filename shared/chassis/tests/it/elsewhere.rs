//! Services in other processes: calls there behave like calls within, and one of several may go away.

use std::time::{Duration, Instant};

use chassis::{Assembly, Caller, Layers, rpc};
use futures::future::join_all;
use kernel::{Error, Kind, Workspace};
use testkit::{Keys, Stage};
use tonic::Request;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;

use crate::mirror::{Mirror, asking};

/// A process with the mirror, and further settings.
pub(crate) async fn mirror(keys: &Keys, more: &[String]) -> Stage {
    let mut assembly = Assembly::new(Layers::default()).with::<Mirror>();
    assembly.layers.set = [keys.settings(), more.to_vec()].concat();
    Stage::open(assembly).await.unwrap()
}

fn at(stages: &[&Stage]) -> String {
    let addresses: Vec<String> =
        stages.iter().map(|stage| format!("http://{}", stage.running.grpc)).collect();
    format!("common.services.mirror={}", addresses.join(","))
}

pub(crate) async fn ask(stage: &Stage, caller: &Caller, event: &str) -> Result<String, Error> {
    let mut client = AnalyticsServiceClient::new(stage.running.rpc.to("mirror"));
    let answer = rpc::call(client.query_trend(rpc::request(caller, asking(event)))).await?;
    Ok(answer.series[0].key.clone())
}

fn system() -> Caller {
    Caller::system(Workspace::new("demo"), "test")
}

fn limited(scope: &str) -> Caller {
    Caller::with_scope(Workspace::new("shop-1"), "李伟", scope)
}

#[tokio::test]
async fn a_call_elsewhere_says_what_a_call_within_says() {
    let keys = Keys::new().unwrap();
    let there = mirror(&keys, &[]).await;
    let here = mirror(&keys, &[at(&[&there])]).await;
    for caller in [system(), limited("analytics.read tags.read"), limited("*")] {
        for event in ["who", "who_behind"] {
            let within = ask(&there, &caller, event).await.unwrap();
            assert_eq!(ask(&here, &caller, event).await.unwrap(), within);
        }
    }
    assert_eq!(ask(&here, &system(), "who").await.unwrap(), "demo service:test - *");
    let read = limited("analytics.read tags.read");
    let behind = ask(&here, &read, "who_behind").await.unwrap();
    assert_eq!(behind, "shop-1 李伟 mirror analytics.read tags.read");
    // From outside, through `here`, to `there`: no scope is lent on the way.
    let token = keys.token(&here.clock, "shop-2", "王芳", "analytics.read").unwrap();
    let mut request = Request::new(asking("who_behind"));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", here.running.grpc)).unwrap();
    let mut client = AnalyticsServiceClient::new(channel.connect_lazy());
    let answer = client.query_trend(request).await.unwrap().into_inner();
    assert_eq!(answer.series[0].key, "shop-2 王芳 mirror analytics.read");
}

#[tokio::test]
async fn refusals_faults_and_deadlines_are_alike_too() {
    let keys = Keys::new().unwrap();
    let there = mirror(&keys, &[]).await;
    let here = mirror(&keys, &[at(&[&there])]).await;
    for (caller, event) in [(limited("tags.read"), "who"), (system(), "broken")] {
        let within = ask(&there, &caller, event).await.unwrap_err();
        let elsewhere = ask(&here, &caller, event).await.unwrap_err();
        assert_eq!((within.kind, &within.message), (elsewhere.kind, &elsewhere.message));
    }
    for event in ["slow", "slow_behind"] {
        let begin = Instant::now();
        let mut request = rpc::request(&system(), asking(event));
        request.set_timeout(Duration::from_millis(100));
        let call = AnalyticsServiceClient::new(here.running.rpc.to("mirror")).query_trend(request).await;
        assert_eq!(chassis::status::from_status(&call.unwrap_err()).kind, Kind::Deadline);
        assert!(begin.elapsed() < Duration::from_secs(10), "{event} took {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_stranger_with_a_key_of_its_own_is_not_believed() {
    let (keys, others) = (Keys::new().unwrap(), Keys::new().unwrap());
    let there = mirror(&keys, &[]).await;
    let stranger = mirror(&others, &[at(&[&there])]).await;
    told_to_compare(ask(&stranger, &system(), "who").await);
}

/// Work that a service does by itself would end for good were it told that it is nobody.
fn told_to_compare(answer: Result<String, Error>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("`mirror` does not believe this process; compare the clocks"), "{error}");
}

#[tokio::test]
async fn clocks_that_are_too_far_apart_pass_and_one_replica_that_is_right_will_do() {
    let keys = Keys::new().unwrap();
    let (wrong, right) = (mirror(&keys, &[]).await, mirror(&keys, &[]).await);
    wrong.warp.advance_to(wrong.warp.now().plus(Duration::from_secs(5 * 60)));
    let behind = mirror(&keys, &[at(&[&wrong])]).await;
    told_to_compare(ask(&behind, &system(), "who").await);
    let here = mirror(&keys, &[at(&[&wrong, &right])]).await;
    for _ in 0..10 {
        ask(&here, &system(), "who").await.unwrap();
    }
    // Who brings no token that anybody knows hears so.
    let mut stranger =
        AnalyticsServiceClient::connect(format!("http://{}", here.running.grpc)).await.unwrap();
    assert_eq!(stranger.query_trend(asking("who")).await.unwrap_err().code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_service_that_is_down_is_told_of_at_once() {
    let keys = Keys::new().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [format!("http://{nobody}"), "http://nirgends.invalid:1".to_owned()] {
        let here = mirror(&keys, &[format!("common.services.mirror={address}")]).await;
        let begin = Instant::now();
        let caller = system();
        let calls = (0..100).map(|_| ask(&here, &caller, "who"));
        for answer in join_all(calls).await {
            let error = answer.unwrap_err();
            assert_eq!(error.kind, Kind::Unavailable);
            assert!(error.message.contains("`mirror` cannot be reached"), "{error}");
            assert!(!error.message.contains("127.0.0.1"), "callers are not told where: {error}");
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{address} took {:?}", begin.elapsed());
    }
}

fn calls_of(stage: &Stage) -> u64 {
    let metrics = stage.running.metrics.render();
    let ours = metrics.lines().filter(|line| line.starts_with("guanxi_rpc_calls_total{"));
    ours.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// What a rolling restart does: one goes while calls are made, comes again, and the other one goes.
#[tokio::test]
async fn no_call_fails_while_one_replica_after_the_other_goes_and_comes() {
    let keys = Keys::new().unwrap();
    let (first, second) = (mirror(&keys, &[]).await, mirror(&keys, &[]).await);
    let here = mirror(&keys, &[at(&[&first, &second])]).await;
    let caller = system();
    let load = async |calls: usize| {
        for _ in 0..calls {
            for answer in join_all((0..20).map(|_| ask(&here, &caller, "who"))).await {
                answer.unwrap();
            }
        }
    };
    load(10).await;
    assert!(calls_of(&first) > 20 && calls_of(&second) > 20, "both take part");
    let (first_at, second_at) = (first.running.grpc, second.running.grpc);
    tokio::join!(load(40), first.running.shutdown());
    let first = mirror(&keys, &[format!("common.grpc={first_at}")]).await;
    // The one that came again is found again.
    let begin = Instant::now();
    while calls_of(&first) == 0 {
        load(1).await;
        assert!(begin.elapsed() < Duration::from_secs(20), "it is not asked again");
    }
    tokio::join!(load(40), second.running.shutdown());
    let second = mirror(&keys, &[format!("common.grpc={second_at}")]).await;
    load(5).await;
    first.running.shutdown().await;
    second.running.shutdown().await;
    assert_eq!(ask(&here, &caller, "who").await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let keys = Keys::new().unwrap();
    let other = Keys::new().unwrap();
    let there = "common.services.mirror=http://127.0.0.1:1".to_owned();
    let key = |path: &str| format!("common.auth.service_key={path}");
    let set = |value: &str| format!("common.services.mirror={value}");
    for (more, says) in [
        (vec![there.clone(), key("")], "set common.auth.service_key"),
        (vec![there.clone(), key("/nowhere/key.pem")], "/nowhere/key.pem"),
        (vec![there.clone(), key(&keys.set().display().to_string())], "PKCS#8 PEM"),
        (vec![there, key(&other.private().display().to_string())], "does not have the public half"),
        (vec![set("mirror:7700")], "common.services.mirror: `mirror:7700` is not an address"),
        (vec![set("http://a:1,,http://b:1")], "`` is not an address"),
        (vec![set("https://127.0.0.1:1")], "common.tls.authority"),
    ] {
        let mut assembly = Assembly::new(Layers::default()).with::<Mirror>();
        assembly.layers.set = [keys.settings(), more].concat();
        let error = Stage::open(assembly).await.unwrap_err();
        assert_eq!(error.kind, Kind::Precondition, "{error}");
        assert!(error.message.contains(says), "`{error}` does not say `{says}`");
    }
}
