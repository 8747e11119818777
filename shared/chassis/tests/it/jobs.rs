//! Where several processes share a database, a job looks often for what others wrote, and one that only time makes due does
//! not. Both end with the process, also when it is dropped.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chassis::{Alarm, Assembly, Context, Layers, Parts, Service};
use kernel::{Result, Time};
use sea_orm_migration::MigrationTrait;
use testkit::{Stack, Stage};
use tokio::sync::mpsc;

use crate::mirror::Options;

/// How often each job ran; one process of one test has them.
static LOOKED: AtomicU32 = AtomicU32::new(0);
static TIMED: AtomicU32 = AtomicU32::new(0);
/// What the looking job holds as long as it is there.
static HELD: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

struct Worker;

impl Service for Worker {
    const NAME: &'static str = "worker";
    const DEFAULTS: &'static str = "";
    type Config = Options;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: Self::Config, cx: Context) -> Result<Parts> {
        cx.timed_job("timed", Alarm::default(), || once_more(&TIMED));
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
        cx.job("looking", Alarm::default(), move || {
            let _as_long_as_it_is_there = &held;
            once_more(&LOOKED)
        });
        Ok(Parts::default())
    }
}

fn once_more(count: &AtomicU32) -> Ready<Result<Option<Time>>> {
    count.fetch_add(1, Ordering::SeqCst);
    ready(Ok(None))
}

#[tokio::test]
async fn only_time_makes_a_timed_job_due() {
    let (held, mut ended) = mpsc::channel(1);
    *HELD.lock().unwrap() = Some(held);
    let assembly = Assembly::new(Layers::default()).with::<Worker>();
    let stage = Stage::open_on(Stack::engines(), assembly).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let looked = async {
        while LOOKED.load(Ordering::SeqCst) < 10 || TIMED.load(Ordering::SeqCst) == 0 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looked).await.unwrap();
    assert_eq!(TIMED.load(Ordering::SeqCst), 1);
    drop(stage);
    let ended = tokio::time::timeout(Duration::from_secs(60), ended.recv()).await;
    assert_eq!(ended, Ok(None), "the job goes on without its process");
}
