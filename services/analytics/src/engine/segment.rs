//! A segment: one file of events of one workspace, sorted by record and time, never changed after it was written.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use kernel::{Result, Time, Workspace};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
    RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::statistics::Statistics;

use super::files;
use super::layout::{self, Variant, columns_at, damaged, io_at};
use super::run::{Batches, Pick};

/// What the database keeps about a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeta {
    /// The tenant.
    pub workspace: Workspace,
    /// Its file's name in the engine's folder.
    pub file: String,
    /// Number of events.
    pub rows: u64,
    /// Of the earliest event.
    pub first: Time,
    /// Of the latest event.
    pub last: Time,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) meta: SegmentMeta,
    pub(crate) columns: BTreeSet<String>,
    /// Whether some properties have no columns here, because there were too many.
    pub(crate) left_out: bool,
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    obsolete: AtomicBool,
}

impl Segment {
    pub(crate) fn open(folder: &Path, meta: SegmentMeta, id: u64) -> Result<Self> {
        let path = folder.join(&meta.file);
        let file = File::open(&path).map_err(io_at(&path))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(columns_at(&path))?;
        let columns = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
        let notes = metadata.metadata().file_metadata().key_value_metadata();
        let left_out = notes.is_some_and(|notes| notes.iter().any(|note| note.key == layout::LEFT_OUT));
        Ok(Self { id, meta, columns, left_out, path, metadata, obsolete: AtomicBool::new(false) })
    }

    /// Whether this segment's columns hold all single values of a path directly under `properties`.
    pub(crate) fn knows(&self, path: &str) -> bool {
        !self.left_out
            || Variant::ALL.iter().any(|variant| self.columns.contains(&layout::column(path, *variant)))
    }

    /// Has the file removed as soon as nobody reads it any more.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    /// Those of the named columns that exist, for the picked rows, in the segment's order.
    pub(crate) fn read(&self, columns: &[&str], pick: &Pick, batch: usize) -> Result<Batches> {
        let file = File::open(&self.path).map_err(io_at(&self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let schema = self.metadata.parquet_schema();
        // By place: `ProjectionMask::columns` takes the points in names for levels.
        let fields = self.metadata.schema().fields().iter().enumerate();
        let wanted = fields.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(at, _)| at);
        let mask = ProjectionMask::leaves(schema, wanted);
        let builder = builder.with_batch_size(batch).with_projection(mask);
        let builder = match pick {
            Pick::All => builder,
            Pick::Ranges(ranges) => {
                let rows = usize::try_from(self.meta.rows).unwrap_or(usize::MAX);
                builder
                    .with_row_selection(RowSelection::from_consecutive_ranges(ranges.iter().cloned(), rows))
            }
            Pick::Records(records) => {
                let wanted = records.clone();
                let only = ProjectionMask::columns(schema, [layout::RECORD]);
                let among = ArrowPredicateFn::new(only, move |batch: RecordBatch| {
                    let of: Option<&UInt32Array> = layout::of(&batch, layout::RECORD);
                    Ok(of
                        .into_iter()
                        .flat_map(UInt32Array::values)
                        .map(|r| Some(wanted.binary_search(r).is_ok()))
                        .collect::<BooleanArray>())
                });
                builder
                    .with_row_groups(self.groups_of(records))
                    .with_row_filter(RowFilter::new(vec![Box::new(among)]))
            }
        };
        let reader = builder.build().map_err(columns_at(&self.path))?;
        Ok(Box::new(reader.map(|batch| batch.map_err(damaged))))
    }

    /// The row groups that may hold one of these records (ascending).
    fn groups_of(&self, records: &[u32]) -> Vec<usize> {
        let may_hold = |group: &usize| {
            let column = self.metadata.metadata().row_group(*group).column(0);
            let Some(Statistics::Int32(statistics)) = column.statistics() else { return true };
            let (Some(min), Some(max)) = (statistics.min_opt(), statistics.max_opt()) else { return true };
            let (min, max) = (min.cast_unsigned(), max.cast_unsigned());
            records.get(records.partition_point(|record| *record < min)).is_some_and(|record| *record <= max)
        };
        (0..self.metadata.metadata().num_row_groups()).filter(may_hold).collect()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            files::remove(&self.path);
        }
    }
}
