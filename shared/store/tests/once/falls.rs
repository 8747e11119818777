//! The process ends at each point on the way of an event, from reading it to forgetting that its answer is published: a
//! new one on the same files goes on, nothing is missing and nothing doubled.

use bus::Entry;
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use tokio::sync::Notify;

use super::*;

/// Where the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Events were read, and nothing is done with them.
    Read,
    /// Their effects are in a unit of work that is not committed.
    Applied,
    /// It is committed, and the log has not been asked.
    Committed,
    /// The log has it, and nobody has noted that.
    Published,
}

const POINTS: [Point; 4] = [Point::Read, Point::Applied, Point::Committed, Point::Published];

/// Comes to one point so many times, and no further the next time.
#[derive(Clone, Debug)]
struct Fall {
    point: Point,
    left: Arc<AtomicUsize>,
    fallen: Arc<Notify>,
}

impl Fall {
    fn at(point: Point, after: usize) -> Self {
        Self { point, left: Arc::new(AtomicUsize::new(after)), fallen: Arc::default() }
    }

    async fn pass(&self, point: Point) {
        if point != self.point {
            return;
        }
        let lower = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lower).is_err() {
            self.fallen.notify_one();
            pending::<()>().await;
        }
    }
}

/// The embedded log, on the way to which a process may end.
#[derive(Debug)]
struct FallingLog {
    log: Arc<EmbeddedLog>,
    fall: Fall,
}

impl Log for FallingLog {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn append(&self, stream: Stream, records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        let appending = async move {
            self.fall.pass(Point::Committed).await;
            self.log.append(stream, records).await?;
            self.fall.pass(Point::Published).await;
            Ok(())
        };
        appending.boxed()
    }

    fn read(
        &self,
        stream: Stream,
        partition: u32,
        from: u64,
        max: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>>> {
        let reading = async move {
            let entries = self.log.read(stream, partition, from, max).await?;
            if !entries.is_empty() {
                self.fall.pass(Point::Read).await;
            }
            Ok(entries)
        };
        reading.boxed()
    }

    fn end(&self, stream: Stream, partition: u32) -> u64 {
        self.log.end(stream, partition)
    }

    fn start(&self, stream: Stream, partition: u32) -> u64 {
        self.log.start(stream, partition)
    }

    fn wait(&self, stream: Stream, partition: u32, position: u64) -> BoxFuture<'_, ()> {
        self.log.wait(stream, partition, position)
    }
}

/// Notes, and perhaps ends before the commit.
#[derive(Debug)]
struct FallingNotes {
    notes: Notes,
    fall: Fall,
}

impl Handler for FallingNotes {
    fn wants(&self, workspace: &Workspace, name: &str) -> bool {
        self.notes.wants(workspace, name)
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        self.notes.apply(unit, batch).await?;
        self.fall.pass(Point::Applied).await;
        Ok(())
    }
}

impl Bench {
    /// A process that ends at `fall`, or goes on until everything has settled; says whether it fell.
    async fn falls(&self, fall: Fall) -> bool {
        let db = self.database().await;
        let log: Arc<dyn Log> = Arc::new(FallingLog { log: self.log.clone(), fall: fall.clone() });
        let (mut tasks, activity) = (JoinSet::new(), Activity::default());
        let (producer, activity_of_relay) = ("notes".into(), activity.clone());
        let relay = Relay { db: db.clone(), log: log.clone(), producer, activity: activity_of_relay };
        let handler = FallingNotes { notes: Notes::default(), fall: fall.clone() };
        let consumer = Consumer {
            db: db.clone(),
            log,
            stream: Stream::Events,
            service: "notes",
            handler: Arc::new(handler),
            batch: self.batch,
            activity: activity.clone(),
            leases: Leases::new(&db),
        };
        let applied = consumer.applied();
        tasks.spawn(relay.run());
        tasks.spawn(consumer.run(applied));
        tokio::task::yield_now().await;
        let fell = tokio::select! {
            () = fall.fallen.notified() => true,
            () = activity.settled() => false,
        };
        tasks.shutdown().await;
        fell
    }
}

#[tokio::test]
async fn wherever_a_process_ends_nothing_is_missing_and_nothing_doubled() {
    let ids: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let events: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "x")).collect();
    let mut wanted: Vec<String> = ids.iter().flat_map(|id| [id.clone(), format!("of {id}")]).collect();
    wanted.sort();
    for point in POINTS {
        for after in 0.. {
            let bench = Bench::new();
            bench.append(1, &events).await;
            let fell = bench.falls(Fall::at(point, after)).await;
            // The next one ends there too, at once, and the one after that goes on.
            if fell {
                bench.falls(Fall::at(point, 0)).await;
            }
            let db = bench.database().await;
            bench.run(&db, Notes::default()).await;
            assert_eq!(seen(&db).await, wanted, "{point:?}, {after}");
            if !fell {
                assert!(after > 0, "{point:?} is never come by");
                break;
            }
        }
    }
}
