//! Stored events one after the other, in bounded memory: per record in the order of time.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{
    Array as _, BinaryArray, DictionaryArray, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::Int32Type;
use kernel::{CustomerId, Error, Result, Time};
use prost::Message as _;
use wire::event::Event;

use super::layout::{self, damaged};
use super::merge::Merge;
use super::query::Filter;
use super::query::view::Snapshot;
use super::run::{Pick, Run};

/// Events of one chunk, at the most.
pub const CHUNK: usize = 500;

const COLUMNS: [&str; 6] =
    [layout::RECORD, layout::TIME, layout::PARTITION, layout::POSITION, layout::NAME, layout::EVENT];

/// Which events to read.
#[derive(Clone, Debug)]
pub struct ScanQuery {
    /// Only these names; empty: all.
    pub names: BTreeSet<String>,
    /// Further condition.
    pub filter: Option<Filter>,
    /// Events from here.
    pub from: Time,
    /// Events before here.
    pub to: Time,
    /// Only these customers; `None`: all.
    pub customers: Option<Vec<CustomerId>>,
    /// By partition of the log: nothing at or behind this position.
    pub up_to: BTreeMap<u32, u64>,
}

/// The events, in chunks of up to [`CHUNK`]; later changes of the store do not show.
pub struct Scan {
    query: ScanQuery,
    /// Keeps the files that are being read.
    snapshot: Snapshot,
    merge: Merge,
}

impl Scan {
    pub(crate) fn open(snapshot: Snapshot, query: ScanQuery) -> Result<Self> {
        let pick = match &query.customers {
            None => Pick::All,
            Some(customers) => Pick::Records(snapshot.people.records_of(customers).into()),
        };
        let nobody = matches!(&pick, Pick::Records(records) if records.is_empty());
        let touched = |run: &&Run| !nobody && run.touches(query.from.0, query.to.0);
        let runs = snapshot.runs.iter().filter(touched).map(|run| run.read(&COLUMNS, &pick, CHUNK));
        let merge = Merge::new(runs.collect::<Result<_>>()?, layout::schema(&COLUMNS), CHUNK)?;
        Ok(Self { query, snapshot, merge })
    }

    fn chunk(&self, batch: &RecordBatch) -> Result<Vec<Event>> {
        let records = layout::core::<UInt32Array>(batch, layout::RECORD)?;
        let times = layout::core::<Int64Array>(batch, layout::TIME)?;
        let partitions = layout::core::<UInt32Array>(batch, layout::PARTITION)?;
        let positions = layout::core::<UInt64Array>(batch, layout::POSITION)?;
        let events = layout::core::<BinaryArray>(batch, layout::EVENT)?;
        let named = self.named(batch)?;
        let mut chunk = Vec::new();
        for (row, named) in named.into_iter().enumerate() {
            let time = Time(times.value(row));
            let limit = self.query.up_to.get(&partitions.value(row));
            let before = limit.is_none_or(|limit| positions.value(row) < *limit);
            if !named || time < self.query.from || time >= self.query.to || !before {
                continue;
            }
            let mut event = Event::decode(events.value(row)).map_err(damaged)?;
            if self.query.filter.as_ref().is_none_or(|filter| (filter.test)(&event)) {
                if let Some(customer) = self.snapshot.people.customer(records.value(row)) {
                    event.customer_id = customer.to_string();
                }
                chunk.push(event);
            }
        }
        Ok(chunk)
    }

    /// By row: whether its name is wanted.
    fn named(&self, batch: &RecordBatch) -> Result<Vec<bool>> {
        if self.query.names.is_empty() {
            return Ok(vec![true; batch.num_rows()]);
        }
        let column = layout::core::<DictionaryArray<Int32Type>>(batch, layout::NAME)?;
        let texts: Option<&StringArray> = column.values().as_any().downcast_ref();
        let texts = texts.ok_or_else(|| Error::internal("the column of names holds something else"))?;
        let wanted: Vec<bool> =
            texts.iter().map(|name| name.is_some_and(|n| self.query.names.contains(n))).collect();
        Ok(column.keys().values().iter().map(|code| wanted[usize::try_from(*code).unwrap_or(0)]).collect())
    }
}

impl Iterator for Scan {
    type Item = Result<Vec<Event>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let chunk = self.merge.next()?.and_then(|batch| self.chunk(&batch));
            if !matches!(&chunk, Ok(events) if events.is_empty()) {
                return Some(chunk);
            }
        }
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("query", &self.query).finish_non_exhaustive()
    }
}
