//! What crashes and bad disks leave behind.

use std::fs;
use std::path::PathBuf;

use kernel::Kind;
use proptest::prelude::*;

use super::*;

/// A log of three batches, unfinished by a crash: the file, and where its last batch begins.
struct Crashed {
    folder: TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    second: usize,
    last: usize,
}

fn crashed() -> Crashed {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
    let path = runtime.block_on(async {
        let log = EmbeddedLog::open(folder.path(), Options::default()).unwrap();
        let path = files(folder.path(), "log").remove(0);
        for sequences in [0..3, 3..4, 4..8] {
            lengths.push(fs::metadata(&path).unwrap().len() as usize);
            log.append(Stream::Events, records(sequences)).await.unwrap();
        }
        bytes = fs::read(&path).unwrap();
        path
    });
    Crashed { folder, path, bytes, second: lengths[1], last: lengths[2] }
}

impl Crashed {
    /// Opens the log with these bytes, and answers which records it has.
    fn open(&self, bytes: &[u8]) -> Result<Vec<u64>> {
        fs::write(&self.path, bytes).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = EmbeddedLog::open(self.folder.path(), Options::default())?;
            let found = read(&log, 0).await;
            let end = log.end(Stream::Events, 0);
            assert_eq!(end, found.len() as u64);
            // What is appended now follows, and is still there after another opening.
            log.append(Stream::Events, records(end..end + 2)).await?;
            drop(log);
            let log = EmbeddedLog::open(self.folder.path(), Options::default())?;
            assert_eq!(read(&log, 0).await, (0..end + 2).collect::<Vec<_>>());
            Ok(found)
        })
    }
}

#[test]
fn a_torn_last_batch_disappears_whole_wherever_it_is_torn() {
    let crashed = crashed();
    for length in crashed.last..=crashed.bytes.len() {
        let expected = if length < crashed.bytes.len() { 4 } else { 8 };
        let torn = &crashed.bytes[..length];
        assert_eq!(crashed.open(torn).unwrap(), (0..expected).collect::<Vec<_>>(), "cut at {length}");
        // The file had grown, and its content not yet arrived.
        let mut zeros = torn.to_vec();
        zeros.resize(crashed.bytes.len() + 300, 0);
        let found = crashed.open(&zeros).unwrap();
        // The last bytes of the batch may have been zeros themselves.
        let expected = if zeros.starts_with(&crashed.bytes) { 8 } else { 4 };
        assert_eq!(found, (0..expected).collect::<Vec<_>>(), "zeros from {length}");
    }
}

#[test]
fn pages_that_arrive_out_of_order_are_a_torn_batch_too() {
    let crashed = crashed();
    let mut bytes = crashed.bytes.clone();
    bytes[crashed.last..crashed.last + 60].fill(0);
    assert_eq!(crashed.open(&bytes).unwrap(), [0, 1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_before_the_last_batch_is_reported_and_nothing_is_cut(at: prop::sample::Index, bit in 0..8) {
        let crashed = crashed();
        let at = at.index(crashed.last);
        let mut bytes = crashed.bytes.clone();
        bytes[at] ^= 1_u8 << bit;
        let error = crashed.open(&bytes).unwrap_err();
        // A changed number of partitions in the head is damage as well: its checksum goes first.
        prop_assert_eq!((error.kind, error.reason), (Kind::Internal, "LOG_DAMAGED"));
        prop_assert!(error.message.contains(crashed.path.to_str().unwrap()), "{}", error);
        prop_assert!(error.message.contains("restore the folder from a backup"), "{}", error);
        prop_assert_eq!(fs::read(&crashed.path).unwrap(), bytes);
    }
}

#[test]
fn the_error_names_the_offset() {
    let crashed = crashed();
    let mut bytes = crashed.bytes.clone();
    let record = crashed.second + crate::embedded::frame::BATCH_FRAME;
    bytes[record + 20] ^= 1;
    let error = crashed.open(&bytes).unwrap_err();
    assert!(error.message.contains(&format!("checksum differs at byte {record} of")), "{error}");
}

#[test]
fn after_a_clean_end_even_the_last_batch_is_guarded() {
    let crashed = crashed();
    let closed = fs::read(&crashed.path).unwrap();
    assert!(closed.len() > crashed.bytes.len(), "closing leaves a mark");
    for at in crashed.last..crashed.bytes.len() {
        let mut bytes = closed.clone();
        bytes[at] ^= 0x10;
        assert_eq!(crashed.open(&bytes).unwrap_err().reason, "LOG_DAMAGED", "byte {at}");
    }
}

#[tokio::test]
async fn damage_in_a_sealed_file_is_found_when_read_and_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 2_000, ..Options::default() };
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    for batch in 0..20 {
        log.append(Stream::Events, records(batch * 10..batch * 10 + 10)).await.unwrap();
    }
    drop(log);
    let logs = files(folder.path(), "log");
    let mut bytes = fs::read(&logs[1]).unwrap();
    bytes[700] ^= 1;
    fs::write(&logs[1], bytes).unwrap();
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    let error = log.read(Stream::Events, 0, 0, 1_000).await.unwrap_err();
    assert_eq!(error.reason, "LOG_DAMAGED");
    assert!(error.message.contains(logs[1].to_str().unwrap()), "{error}");
    drop(log);

    // The remedy that the error names.
    fs::remove_file(&logs[0]).unwrap();
    fs::remove_file(&logs[1]).unwrap();
    let log = EmbeddedLog::open(folder.path(), options.clone()).unwrap();
    let start = log.start(Stream::Events, 0);
    assert!(start > 0 && start < 200);
    assert_eq!(read(&log, 0).await, (start..200).collect::<Vec<_>>());
    drop(log);

    fs::remove_file(&logs[4]).unwrap();
    let error = EmbeddedLog::open(folder.path(), options).unwrap_err();
    assert_eq!(error.reason, "LOG_DAMAGED", "a missing file in the middle is no small matter: {error}");
}
