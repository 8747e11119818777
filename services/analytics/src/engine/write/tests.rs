//! A disk without space is said to be one, whichever part of a file it refuses.

use kernel::Kind;

use super::*;

/// Every write to it fails as on a full disk.
const FULL: &str = "/dev/full";

fn rows(count: u32) -> Vec<Arc<Row>> {
    let row = |record: u32| Row {
        record,
        time: i64::from(record),
        received: 0,
        partition: 0,
        position: u64::from(record),
        name: "product_viewed".into(),
        event: vec![0; 20].into(),
        scalars: Vec::new(),
    };
    (0..count).map(|record| Arc::new(row(record))).collect()
}

/// What writing so many rows to a full disk fails with.
fn refusal(count: u32) -> kernel::Error {
    let rows = rows(count);
    let layout = Layout::of_rows(&rows);
    let (path, handle) = (PathBuf::from(FULL), File::options().write(true).open(FULL).unwrap());
    let inner = over(handle, &path, &layout).unwrap();
    let (workspace, file) = (Workspace::new("demo"), "full".to_owned());
    // Nothing to be removed: the file is the machine's.
    let draft = Draft(None);
    let mut writer = Writer { workspace, path, draft, file, inner, rows: 0, first: 0, last: 0 };
    let written =
        rows.chunks(BATCH_ROWS).try_for_each(|chunk| writer.write(&row::batch(chunk, &layout.schema)?));
    written.and_then(|()| writer.finish().map(drop)).unwrap_err()
}

#[test]
fn a_full_disk_is_no_damaged_file() {
    // At the end of a small file; and in the midst of a large one, with its first group of rows.
    for count in [1, 2 * u32::try_from(GROUP_ROWS).unwrap()] {
        let error = refusal(count);
        assert_eq!(error.kind, Kind::Unavailable, "{count} rows: {error}");
        for part in [FULL, "No space left", "check the disk"] {
            assert!(error.message.contains(part), "{part} in {}", error.message);
        }
    }
}
