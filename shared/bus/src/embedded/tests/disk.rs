//! A disk that fails.

use std::fs::{File, OpenOptions};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::Kind;

use super::super::file::{OpenFile, SegmentFile};
use super::*;

/// What fails at the moment.
#[derive(Default)]
struct Faults {
    /// Half of what is written arrives, then the disk is full.
    append: AtomicBool,
    sync: AtomicBool,
    cut: AtomicBool,
    open: AtomicBool,
}

struct Failing {
    file: File,
    faults: Arc<Faults>,
}

fn check(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl SegmentFile for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fault = check(&self.faults.append);
        let arrives = if fault.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        self.file.append(arrives)?;
        fault
    }

    fn sync(&mut self) -> io::Result<()> {
        check(&self.faults.sync)?;
        self.file.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        check(&self.faults.cut)?;
        self.file.cut(length)
    }
}

fn open(folder: &Path, options: Options, faults: &Arc<Faults>) -> Arc<EmbeddedLog> {
    let faults = faults.clone();
    let open: OpenFile = Box::new(move |path| {
        check(&faults.open)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(Failing { file, faults: faults.clone() }))
    });
    EmbeddedLog::open_with(folder, options, open).unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_and_later_takes_again() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open(folder.path(), Options::default(), &faults);
    log.append(Stream::Events, records(0..3)).await.unwrap();
    for fault in [&faults.append, &faults.sync] {
        fault.store(true, Ordering::SeqCst);
        let length = std::fs::metadata(&files(folder.path(), "log")[0]).unwrap().len();
        let error = log.append(Stream::Events, records(900..903)).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.message.contains(".log") && error.message.contains("free space"), "{error}");
        assert_eq!(std::fs::metadata(&files(folder.path(), "log")[0]).unwrap().len(), length);
        assert_eq!(read(&log, 0).await, log_of(&log), "nothing of it is seen");
        fault.store(false, Ordering::SeqCst);
        let end = log.end(Stream::Events, 0);
        log.append(Stream::Events, records(end..end + 1)).await.unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read(&log, 0).await, [0, 1, 2, 3, 4]);
}

fn log_of(log: &EmbeddedLog) -> Vec<u64> {
    (0..log.end(Stream::Events, 0)).collect()
}

#[tokio::test]
async fn what_cannot_be_cut_back_stops_the_log_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open(folder.path(), Options::default(), &faults);
    log.append(Stream::Events, records(0..3)).await.unwrap();
    faults.append.store(true, Ordering::SeqCst);
    faults.cut.store(true, Ordering::SeqCst);
    assert!(log.healthy().is_ok());
    log.append(Stream::Events, records(3..6)).await.unwrap_err();
    faults.append.store(false, Ordering::SeqCst);
    assert!(log.healthy().unwrap_err().message.contains("start the process again"));
    let error = log.append(Stream::Events, records(3..6)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("start the process again"), "{error}");
    assert_eq!(read(&log, 0).await, [0, 1, 2]);
    drop(log);
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read(&log, 0).await, [0, 1, 2]);
    log.append(Stream::Events, records(3..6)).await.unwrap();
}

#[tokio::test]
async fn a_segment_that_cannot_be_begun_is_begun_later() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let log = open(folder.path(), Options { segment_bytes: 100, ..Options::default() }, &faults);
    log.append(Stream::Events, records(0..3)).await.unwrap();
    faults.open.store(true, Ordering::SeqCst);
    assert_eq!(log.append(Stream::Events, records(3..6)).await.unwrap_err().kind, Kind::Unavailable);
    faults.open.store(false, Ordering::SeqCst);
    log.append(Stream::Events, records(3..6)).await.unwrap();
    drop(log);
    let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
    assert_eq!(read(&log, 0).await, (0..6).collect::<Vec<_>>());
}
