//! A call's time is over, or its caller goes away: work for it stops soon after in every process that it led to.

use std::time::{Duration, Instant};

use chassis::{Caller, rpc};
use kernel::{Kind, Workspace};
use testkit::{Keys, Stage};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;

use crate::elsewhere::{ask, mirror};
use crate::mirror::asking;

/// Processes that a call goes through.
const HOPS: usize = 4;
/// The goal: work stops so long after.
const SOON: Duration = Duration::from_millis(50);
/// Times that it is tried: the median counts, for tests run beside each other.
const TURNS: usize = 9;
/// For everything else.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each process calls the next one by TCP; the last calls nobody.
async fn chain() -> (Vec<Stage>, Keys) {
    let keys = Keys::new().unwrap();
    let mut stages: Vec<Stage> = Vec::new();
    for _ in 0..HOPS {
        let next = stages.last().map(|next| format!("common.services.mirror=http://{}", next.running.grpc));
        stages.push(mirror(&keys, next.as_slice()).await);
    }
    stages.reverse();
    (stages, keys)
}

fn system() -> Caller {
    Caller::system(Workspace::new("demo"), "test")
}

/// The call before the chain begins, from the first process.
fn behind(event: &str) -> String {
    format!("{event}{}", "_behind".repeat(HOPS - 2))
}

/// Processes in which a call of ours is in work.
fn working(stages: &[Stage]) -> usize {
    stages
        .iter()
        .filter(|stage| stage.running.activity.busy().iter().any(|name| name == "mirror calls"))
        .count()
}

async fn until(stages: &[Stage], many: usize) {
    let (begin, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(1)));
    while working(stages) != many {
        assert!(begin.elapsed() < PATIENCE, "{} of {many} at work", working(stages));
        ticks.tick().await;
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_stops_the_work_of_all_hops() {
    let (stages, _keys) = chain().await;
    let (caller, event) = (system(), behind("slow"));
    let mut took = Vec::new();
    for _ in 0..TURNS {
        let mut call = Box::pin(ask(&stages[0], &caller, &event));
        tokio::select! {
            answer = &mut call => panic!("answered: {answer:?}"),
            () = until(&stages, HOPS - 1) => {}
        }
        let begin = Instant::now();
        drop(call);
        until(&stages, 0).await;
        took.push(begin.elapsed());
    }
    assert!(median(took.clone()) <= SOON, "work went on: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_passed_on_and_ends_the_work_of_all_hops() {
    const BUDGET: Duration = Duration::from_millis(300);
    let (stages, _keys) = chain().await;
    let call = async |event: &str| {
        let mut request = rpc::request(&system(), asking(&behind(event)));
        request.set_timeout(BUDGET);
        let mut client = AnalyticsServiceClient::new(stages[0].running.rpc.to("mirror"));
        rpc::call(client.query_trend(request)).await
    };
    let mut took = Vec::new();
    for _ in 0..TURNS {
        let begin = Instant::now();
        let (answer, ()) = tokio::join!(call("slow"), until(&stages, HOPS - 1));
        assert_eq!(answer.unwrap_err().kind, Kind::Deadline);
        until(&stages, 0).await;
        took.push(begin.elapsed());
    }
    let late = median(took.clone()).saturating_sub(BUDGET);
    assert!(late <= SOON, "work went on for {late:?}: {took:?}");
    // The last hop is told what is left, which is less than what there was.
    let told = call("time").await.unwrap().series[0].key.clone();
    let (number, unit) = told.split_at(told.len() - 1);
    let left = match unit {
        "u" => Duration::from_micros(number.parse().unwrap()),
        "n" => Duration::from_nanos(number.parse().unwrap()),
        "m" => Duration::from_millis(number.parse().unwrap()),
        other => panic!("{told}: {other}"),
    };
    assert!(left < BUDGET && left > BUDGET / 10, "{told} of {BUDGET:?}");
}
