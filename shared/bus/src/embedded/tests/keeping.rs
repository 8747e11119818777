//! Segments, retention, positions over time, and exclusive use.

use std::time::Duration;

use kernel::{Clock, Kind, Time};

use super::*;

fn small() -> Options {
    Options { segment_bytes: 2_000, ..Options::default() }
}

#[tokio::test]
async fn segments_roll_and_are_read_across() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), small()).unwrap();
    for batch in 0..50 {
        log.append(Stream::Events, records(batch * 10..batch * 10 + 10)).await.unwrap();
    }
    drop(log);
    let logs = files(folder.path(), "log").len();
    assert!(logs > 10, "{logs} files");
    assert_eq!(files(folder.path(), "index").len(), logs - 1, "every sealed file has an index");
    let log = EmbeddedLog::open(folder.path(), small()).unwrap();
    for from in 0..500 {
        assert_eq!(read(&log, from).await, (from..500).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_lost_or_changed_index_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), small()).unwrap();
    for batch in 0..9 {
        log.append(Stream::Events, records(batch * 10..batch * 10 + 10)).await.unwrap();
    }
    drop(log);
    let indexes = files(folder.path(), "index");
    let before: Vec<_> = indexes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    std::fs::remove_file(&indexes[0]).unwrap();
    std::fs::write(&indexes[1], "坏了").unwrap();
    let log = EmbeddedLog::open(folder.path(), small()).unwrap();
    assert_eq!(read(&log, 0).await, (0..90).collect::<Vec<_>>());
    let after: Vec<_> = indexes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(before, after);
}

#[tokio::test]
async fn what_has_expired_is_deleted_and_positions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, warp) = Clock::warped(Time::from_seconds(1_700_000_000));
    let day = Duration::from_secs(86_400);
    let options = Options { clock, segment_bytes: 2_000, retention: Some(3 * day), partitions: 1 };
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    log.append(Stream::Raw, records(0..5)).await.unwrap();
    for batch in 0..6 {
        log.append(Stream::Events, records(batch * 50..batch * 50 + 50)).await.unwrap();
        warp.advance_to(warp.now().plus(day));
    }
    let start = log.start(Stream::Events, 0);
    assert_eq!(start, 100, "what was written three days ago is still kept");
    assert_eq!(read(&log, 0).await, (100..300).collect::<Vec<_>>(), "reading before the start begins there");
    assert_eq!(log.read(Stream::Raw, 0, 0, 10).await.unwrap(), []);
    drop(log);

    warp.advance_to(warp.now().plus(30 * day));
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    assert_eq!(files(folder.path(), "log").len(), 1, "the file in use is never deleted");
    assert_eq!(log.end(Stream::Events, 0), 300);
    assert_eq!(
        (log.start(Stream::Raw, 0), log.end(Stream::Raw, 0)),
        (5, 5),
        "a silent partition keeps its position"
    );
    log.append(Stream::Raw, records(5..6)).await.unwrap();
    drop(log);
    let log = EmbeddedLog::open(folder.path(), options).unwrap();
    assert_eq!(log.read(Stream::Raw, 0, 0, 10).await.unwrap()[0].position, 5);
}

#[tokio::test]
async fn a_folder_serves_one_at_a_time_and_says_whom() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let refused = EmbeddedLog::open(folder.path(), Options::default()).unwrap_err();
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains(&format!("(pid {})", std::process::id())), "{refused}");
    assert!(refused.message.contains(folder.path().to_str().unwrap()), "{refused}");
    log.close().await;
    assert_eq!(log.append(Stream::Raw, records(0..1)).await.unwrap_err().kind, Kind::Unavailable);
    assert!(log.healthy().is_err(), "nothing can be appended any more");
    EmbeddedLog::open(folder.path(), Options::default()).unwrap();
}

#[tokio::test]
async fn closing_finishes_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    let mut appends: Vec<_> = (0..50).map(|n| log.append(Stream::Events, records(n..n + 1))).collect();
    for append in &mut appends {
        // Polled once: handed over, and the answer not waited for.
        if let Some(answer) = append.now_or_never() {
            answer.unwrap();
        }
    }
    log.close().await;
    drop(appends);
    drop(log);
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read(&log, 0).await, (0..50).collect::<Vec<_>>());
}

#[test]
fn wrong_options_and_folders_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("文件");
    std::fs::write(&file, "").unwrap();
    let refused = EmbeddedLog::open(&file.join("log"), Options::default()).unwrap_err();
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains("文件"), "{refused}");

    let many = |partitions| Options { partitions, ..Options::default() };
    assert_eq!(EmbeddedLog::open(folder.path(), many(0)).unwrap_err().kind, Kind::Invalid);
    let log = folder.path().join("log");
    EmbeddedLog::open(&log, many(2)).unwrap();
    let refused = EmbeddedLog::open(&log, many(3)).unwrap_err();
    assert!(refused.message.contains("2 partitions and 3 are configured"), "{refused}");
}
