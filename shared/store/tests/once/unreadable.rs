//! A partition that cannot be read: nobody knows how old is what waits there, but for how long it has waited.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use super::*;

/// The last byte of the log, and where it stands.
struct Flaw {
    file: File,
    at: u64,
    byte: [u8; 1],
}

impl Flaw {
    /// Changes it.
    fn make(log: &std::path::Path) -> Self {
        let paths = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        let path = paths.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap();
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let at = file.metadata().unwrap().len() - 1;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[!byte[0]], at).unwrap();
        Self { file, at, byte }
    }

    fn mend(self) {
        self.file.write_all_at(&self.byte, self.at).unwrap();
    }
}

#[tokio::test]
async fn a_partition_that_cannot_be_read_is_behind_in_time_too() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "fact")]).await;
    let Bench { folder, log, clock, .. } = bench;
    drop(log);
    // Opened anew it has what was appended on the disk alone.
    let options = Options { clock: clock.clone(), ..Options::default() };
    let log = EmbeddedLog::open(&folder.path().join("log"), options).unwrap();
    let flaw = Flaw::make(&folder.path().join("log"));
    let consumer = Consumer {
        db: db.clone(),
        log,
        stream: Stream::Events,
        service: "notes",
        handler: Arc::new(Notes::default()),
        batch: 7,
        activity: Activity::default(),
        leases: Leases::new(&db),
    };
    let applied = consumer.applied();
    let mut running = JoinSet::new();
    running.spawn(consumer.run(applied.clone()));

    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let grows = async {
        // Longer than the pause between two tries to read.
        while applied.lag().iter().map(|lag| lag.age(clock.now())).max() < Some(Duration::from_millis(500)) {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), grows).await.expect("it says that nothing waits");
    let [lag] = applied.lag().try_into().unwrap();
    assert_eq!((lag.distance, lag.oldest), (1, None));

    flaw.mend();
    tokio::time::timeout(Duration::from_secs(30), applied.caught_up()).await.unwrap().unwrap();
    assert_eq!(seen(&db).await, ["a"]);
    let [lag] = applied.lag().try_into().unwrap();
    assert_eq!((lag.distance, lag.age(clock.now())), (0, Duration::ZERO));
}
