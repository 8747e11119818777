//! A run: sorted events to read from, be it a segment on disk or the events that have not been flushed yet.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use kernel::Result;

use super::layout;
use super::row::{self, Row};
use super::segment::Segment;

/// Batches of columns, in the run's order.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Which rows of a run.
#[derive(Clone, Debug)]
pub(crate) enum Pick {
    /// All.
    All,
    /// These row numbers, ascending and apart.
    Ranges(Vec<Range<usize>>),
    /// Those of these records, ascending.
    Records(Arc<[u32]>),
}

/// Sorted events.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    /// On disk.
    File(Arc<Segment>),
    /// Not flushed yet.
    Memory(Arc<MemoryRun>),
}

/// Events that have not been flushed yet, sorted.
#[derive(Debug)]
pub(crate) struct MemoryRun {
    pub(crate) id: u64,
    pub(crate) rows: Vec<Arc<Row>>,
}

impl MemoryRun {
    pub(crate) fn new(id: u64, mut rows: Vec<Arc<Row>>) -> Self {
        rows.sort_unstable_by_key(|row| row.key());
        Self { id, rows }
    }

    fn read(&self, columns: &[&str], pick: &Pick, size: usize) -> Batches {
        let rows: Vec<Arc<Row>> = match pick {
            Pick::All => self.rows.clone(),
            Pick::Ranges(ranges) => ranges
                .iter()
                .flat_map(|range| self.rows.get(range.clone()).unwrap_or_default())
                .cloned()
                .collect(),
            Pick::Records(records) => {
                self.rows.iter().filter(|row| records.binary_search(&row.record).is_ok()).cloned().collect()
            }
        };
        let schema = layout::schema(columns);
        let starts = (0..rows.len()).step_by(size.max(1));
        Box::new(starts.map(move |start| row::batch(&rows[start..rows.len().min(start + size)], &schema)))
    }
}

impl Run {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::File(segment) => segment.id,
            Self::Memory(run) => run.id,
        }
    }

    /// Whether some of its events may lie in `[from, to]`, µs.
    pub(crate) fn touches(&self, from: i64, to: i64) -> bool {
        match self {
            Self::File(segment) => segment.meta.first.0 <= to && from <= segment.meta.last.0,
            Self::Memory(_) => true,
        }
    }

    /// Whether its columns hold all values of a path that may have columns.
    pub(crate) fn knows(&self, path: &str) -> bool {
        match self {
            Self::File(segment) => segment.knows(path),
            Self::Memory(_) => true,
        }
    }

    /// The named columns (those that exist) of the picked rows, in batches of up to `size` rows.
    pub(crate) fn read(&self, columns: &[&str], pick: &Pick, size: usize) -> Result<Batches> {
        match self {
            Self::File(segment) => segment.read(columns, pick, size),
            Self::Memory(run) => Ok(run.read(columns, pick, size)),
        }
    }
}
