//! Any course of appending, reopening and reading gives what a list in memory would; and reading goes on while old
//! files are deleted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::{Clock, Time};
use proptest::prelude::*;

use super::super::reader::{Failed, Wanted, attempt};
use super::*;
use crate::partition_of;

#[derive(Clone, Debug)]
enum Step {
    Append { stream: Stream, records: Vec<Record> },
    Reopen,
    Read { stream: Stream, partition: u32, from: u64, max: usize },
}

const PARTITIONS: u32 = 3;

fn step() -> impl Strategy<Value = Step> {
    let stream = || prop::sample::select(Stream::ALL.to_vec());
    let record = ("[张王李赵]", any::<u64>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(key, sequence, payload)| Record {
            key: key.into(),
            payload: payload.into(),
            ..super::record(sequence)
        },
    );
    prop_oneof![
        4 => (stream(), prop::collection::vec(record, 0..12)).prop_map(|(stream, records)| Step::Append { stream, records }),
        1 => Just(Step::Reopen),
        4 => (stream(), 0..PARTITIONS, 0_u64..60, 0_usize..30)
            .prop_map(|(stream, partition, from, max)| Step::Read { stream, partition, from, max }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_a_list_per_partition(steps in prop::collection::vec(step(), 1..40), segment_bytes in 100_u64..3_000) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { partitions: PARTITIONS, segment_bytes, ..Options::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
        let mut lists = vec![Vec::<Record>::new(); 2 * PARTITIONS as usize];
        let at = |stream, partition: u32| partition as usize * 2 + usize::from(stream == Stream::Raw);
        for step in steps {
            match step {
                Step::Append { stream, records } => {
                    for record in &records {
                        lists[at(stream, partition_of(&record.key, PARTITIONS))].push(record.clone());
                    }
                    runtime.block_on(log.append(stream, records)).unwrap();
                }
                Step::Reopen => {
                    drop(log);
                    log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
                }
                Step::Read { stream, partition, from, max } => {
                    let list = &lists[at(stream, partition)];
                    let expected: Vec<_> = (0..).zip(list.iter().cloned())
                        .map(|(position, record)| Entry { position, record })
                        .skip(from as usize).take(max).collect();
                    prop_assert_eq!(runtime.block_on(log.read(stream, partition, from, max)).unwrap(), expected);
                    prop_assert_eq!(log.end(stream, partition), list.len() as u64);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_while_files_expire() {
    const BATCHES: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let (clock, warp) = Clock::warped(Time::from_seconds(1_700_000_000));
    let hour = Duration::from_secs(3_600);
    let options = Options { clock, segment_bytes: 300, retention: Some(hour), partitions: 1 };
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    for batch in 0..BATCHES {
        log.append(Stream::Events, records(batch * 5..batch * 5 + 5)).await.unwrap();
    }
    drop(log);
    // Opened again, so that everything is read from files.
    let log = EmbeddedLog::open(folder.path(), options).unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (log, begun) = (log.clone(), begun.clone());
        reading.spawn(async move {
            while log.start(Stream::Events, 0) == 0 {
                let found = read(&log, 0).await;
                begun.store(true, Ordering::SeqCst);
                let first = found[0];
                assert!(found.iter().copied().eq(first..first + found.len() as u64), "a gap");
                assert!(*found.last().unwrap() >= BATCHES * 5 - 1, "the end is missing");
            }
        });
    }
    let reading_has_begun = async {
        while !begun.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading_has_begun).await.unwrap();
    let slot = super::super::layout::slot(Stream::Events, 0, 1);
    let looked_before = log.shared.segments.from(slot, 0);
    warp.advance_to(warp.now().plus(2 * hour));
    // The second one begins a new file, and so deletes those from before the first.
    let end = BATCHES * 5;
    log.append(Stream::Events, records(end..end + 5)).await.unwrap();
    log.append(Stream::Events, records(end + 5..end + 6)).await.unwrap();
    assert_eq!(log.start(Stream::Events, 0), end, "nothing was deleted");
    let wanted = Wanted { slot, from: 0, end, max: 10_000 };
    let Err(Failed::Gone(gone)) = attempt(&log.shared, &looked_before, wanted) else {
        panic!("the files were there")
    };
    assert!(!log.shared.segments.keeps(gone.base), "a reader that looked before begins again");
    while let Some(ended) = reading.join_next().await {
        ended.unwrap();
    }
    assert_eq!(read(&log, 0).await, (end..end + 6).collect::<Vec<_>>());
}
