//! One event as the engine holds it before it lies in a segment, and rows as columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, Float64Array, Int64Array, RecordBatch, StringDictionaryBuilder,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int32Type, SchemaRef};
use bytes::Bytes;
use kernel::Result;

use super::layout::{self, Variant, damaged};
use crate::domain::Scalar;

/// An event with what queries need of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) record: u32,
    pub(crate) time: i64,
    pub(crate) received: i64,
    pub(crate) partition: u32,
    pub(crate) position: u64,
    pub(crate) name: Arc<str>,
    /// The encoded event.
    pub(crate) event: Bytes,
    /// Values with columns of their own, by path.
    pub(crate) scalars: Vec<(Arc<str>, Scalar)>,
}

/// Where a row stands in a segment: by record, then time, then place in the log.
pub(crate) type Key = (u32, i64, u32, u64);

impl Row {
    pub(crate) fn key(&self) -> Key {
        (self.record, self.time, self.partition, self.position)
    }

    fn scalar(&self, path: &str) -> Option<&Scalar> {
        self.scalars.iter().find(|(known, _)| &**known == path).map(|(_, scalar)| scalar)
    }
}

/// The columns of `schema`, filled from `rows`.
pub(crate) fn batch(rows: &[Arc<Row>], schema: &SchemaRef) -> Result<RecordBatch> {
    let arrays = schema.fields().iter().map(|field| array(rows, field.name())).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(schema.clone(), arrays).map_err(damaged)
}

fn array(rows: &[Arc<Row>], column: &str) -> Result<ArrayRef> {
    Ok(match column {
        layout::RECORD => Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.record))),
        layout::TIME => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.time))),
        layout::RECEIVED => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.received))),
        layout::PARTITION => Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.partition))),
        layout::POSITION => Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.position))),
        layout::NAME => texts(rows.iter().map(|row| Some(&*row.name)))?,
        layout::EVENT => {
            let mut builder = BinaryBuilder::new();
            rows.iter().for_each(|row| builder.append_value(&row.event));
            Arc::new(builder.finish())
        }
        _ => scalars(rows, column)?,
    })
}

fn scalars(rows: &[Arc<Row>], column: &str) -> Result<ArrayRef> {
    let (path, variant) = layout::parts(column);
    let values = rows.iter().map(|row| row.scalar(path));
    Ok(match variant {
        Variant::Number => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Some(Scalar::Number(number)) => Some(*number),
            _ => None,
        }))),
        Variant::Bool => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Some(Scalar::Bool(truth)) => Some(*truth),
            _ => None,
        }))),
        Variant::Text => texts(values.map(|value| match value {
            Some(Scalar::Text(text)) => Some(text.as_str()),
            _ => None,
        }))?,
    })
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef> {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for value in values {
        match value {
            Some(text) => {
                builder.append(text).map_err(damaged)?;
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}
