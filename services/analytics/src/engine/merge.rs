//! Several sorted runs as one, batch by batch, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array, UInt64Array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use kernel::Result;

use super::layout::{self, damaged};
use super::row::Key;
use super::run::Batches;

/// Reads runs in step. Each must yield at least the columns of [`Key`]; other columns of the schema that a run lacks
/// are null.
pub(crate) struct Merge {
    inputs: Vec<Input>,
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    schema: SchemaRef,
    rows: usize,
}

struct Input {
    batches: Batches,
    current: Option<RecordBatch>,
    at: usize,
}

impl Merge {
    /// Yields batches of `schema` with up to `rows` rows.
    pub(crate) fn new(runs: Vec<Batches>, schema: SchemaRef, rows: usize) -> Result<Self> {
        let inputs = runs.into_iter().map(|batches| Input { batches, current: None, at: 0 }).collect();
        let mut merge = Self { inputs, heads: BinaryHeap::new(), schema, rows };
        for input in 0..merge.inputs.len() {
            merge.refill(input)?;
        }
        Ok(merge)
    }

    /// Puts the input's next row among the heads, reading its next batch when this one is used up.
    fn refill(&mut self, input: usize) -> Result<()> {
        let source = &mut self.inputs[input];
        while source.current.as_ref().is_none_or(|batch| source.at >= batch.num_rows()) {
            source.at = 0;
            source.current = source.batches.next().transpose()?;
            if source.current.is_none() {
                return Ok(());
            }
        }
        self.push(input)
    }

    fn push(&mut self, input: usize) -> Result<()> {
        if let Some(key) = self.inputs[input].key()? {
            self.heads.push(Reverse((key, input)));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let mut picked: Vec<(usize, usize)> = Vec::with_capacity(self.rows);
        let mut used_up = None;
        while picked.len() < self.rows && used_up.is_none() {
            let Some(Reverse((_, input))) = self.heads.pop() else { break };
            let source = &mut self.inputs[input];
            picked.push((input, source.at));
            source.at += 1;
            if source.current.as_ref().is_some_and(|batch| source.at < batch.num_rows()) {
                self.push(input)?;
            } else {
                used_up = Some(input);
            }
        }
        let batch = (!picked.is_empty()).then(|| self.assemble(&picked)).transpose()?;
        if let Some(input) = used_up {
            self.refill(input)?;
        }
        Ok(batch)
    }

    fn assemble(&self, picked: &[(usize, usize)]) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().map(|field| {
            let missing = new_null_array(field.data_type(), 0);
            let all: Vec<ArrayRef> = self
                .inputs
                .iter()
                .map(|input| match &input.current {
                    None => missing.clone(),
                    Some(batch) => match batch.column_by_name(field.name()) {
                        Some(column) => column.clone(),
                        None => new_null_array(field.data_type(), batch.num_rows()),
                    },
                })
                .collect();
            let refs: Vec<&dyn Array> = all.iter().map(AsRef::as_ref).collect();
            interleave(&refs, picked).map_err(damaged)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(damaged)
    }
}

impl Input {
    fn key(&self) -> Result<Option<Key>> {
        let Some(batch) = &self.current else { return Ok(None) };
        Ok(Some((
            layout::core::<UInt32Array>(batch, layout::RECORD)?.value(self.at),
            layout::core::<Int64Array>(batch, layout::TIME)?.value(self.at),
            layout::core::<UInt32Array>(batch, layout::PARTITION)?.value(self.at),
            layout::core::<UInt64Array>(batch, layout::POSITION)?.value(self.at),
        )))
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
