//! Writing a segment so that it survives a crash once it is registered.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use kernel::{Result, Time, Workspace};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::layout::{self, Layout, columns_at, io_at};
use super::row::{self, Row};
use super::segment::SegmentMeta;

/// Rows of a row group: what a scan of a few customers has to look through at the least.
const GROUP_ROWS: usize = 1 << 15;
/// Rows handed to the file at a time.
const BATCH_ROWS: usize = 1 << 13;

/// A file without use until it is whole: it goes unless it is kept, so that a full disk is not filled further.
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "half a segment stays until the next start");
        }
    }
}

/// A segment being written.
pub(crate) struct Writer {
    workspace: Workspace,
    path: PathBuf,
    draft: Draft,
    file: String,
    inner: ArrowWriter<File>,
    rows: u64,
    first: i64,
    last: i64,
}

impl Writer {
    /// Starts the file `file` in `folder`.
    pub(crate) fn create(folder: &Path, file: String, workspace: Workspace, layout: &Layout) -> Result<Self> {
        let path = folder.join(&file);
        let handle = File::create_new(&path).map_err(io_at(&path))?;
        let draft = Draft(Some(path.clone()));
        let inner = over(handle, &path, layout)?;
        Ok(Self { workspace, path, draft, file, inner, rows: 0, first: i64::MAX, last: i64::MIN })
    }

    /// Appends rows; all together must be sorted.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for time in layout::core::<Int64Array>(batch, layout::TIME)?.values() {
            self.first = self.first.min(*time);
            self.last = self.last.max(*time);
        }
        self.rows += batch.num_rows() as u64;
        self.inner.write(batch).map_err(columns_at(&self.path))
    }

    /// Makes the file and its name durable.
    pub(crate) fn finish(mut self) -> Result<SegmentMeta> {
        // Not `into_inner`, which makes a text of what the disk says.
        self.inner.finish().map_err(columns_at(&self.path))?;
        self.inner.inner().sync_all().map_err(io_at(&self.path))?;
        if let Some(folder) = self.path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_at(folder))?;
        }
        self.draft.0 = None;
        Ok(SegmentMeta {
            workspace: self.workspace,
            file: self.file,
            rows: self.rows,
            first: Time(self.first),
            last: Time(self.last),
        })
    }
}

/// A writer of columns over the file at `path`.
fn over(handle: File, path: &Path, layout: &Layout) -> Result<ArrowWriter<File>> {
    let properties = properties(layout.left_out);
    ArrowWriter::try_new(handle, layout.schema.clone(), Some(properties)).map_err(columns_at(path))
}

/// Writes sorted rows as one segment.
pub(crate) fn write_rows(
    folder: &Path,
    file: String,
    workspace: Workspace,
    rows: &[Arc<Row>],
) -> Result<SegmentMeta> {
    let layout = Layout::of_rows(rows);
    let mut writer = Writer::create(folder, file, workspace, &layout)?;
    for chunk in rows.chunks(BATCH_ROWS) {
        writer.write(&row::batch(chunk, &layout.schema)?)?;
    }
    writer.finish()
}

/// Small and quick to read: numbers that grow are kept as differences, events are squeezed harder than the columns
/// that queries load. Only records need statistics, by which scans skip row groups.
fn properties(left_out: bool) -> WriterProperties {
    let path = |column: &str| ColumnPath::new(vec![column.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(path(layout::RECORD), EnabledStatistics::Chunk)
        .set_column_compression(path(layout::EVENT), Compression::ZSTD(ZstdLevel::default()))
        .set_column_dictionary_enabled(path(layout::EVENT), false)
        .set_column_data_page_size_limit(path(layout::EVENT), 64 << 10);
    for column in [layout::RECORD, layout::TIME, layout::RECEIVED, layout::PARTITION, layout::POSITION] {
        properties = properties
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_BINARY_PACKED);
    }
    let notes = left_out.then(|| vec![KeyValue::new(layout::LEFT_OUT.to_owned(), "true".to_owned())]);
    properties.set_key_value_metadata(notes).build()
}

#[cfg(test)]
mod tests;
