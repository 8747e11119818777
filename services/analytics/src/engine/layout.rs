//! The columns of a segment: those that every event has, and one or more per property.
//!
//! A property's values lie in up to three nullable columns, one per type: `properties.total#n` (numbers),
//! `properties.category#s` (texts), `properties.gift#b` (truths).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use kernel::{Error, Result};
use parquet::errors::ParquetError;

use super::row::Row;
use crate::domain::Scalar;

/// Number of the record within its workspace.
pub(crate) const RECORD: &str = "record";
/// µs.
pub(crate) const TIME: &str = "time";
/// µs.
pub(crate) const RECEIVED: &str = "received";
/// Of the log.
pub(crate) const PARTITION: &str = "partition";
/// In the log.
pub(crate) const POSITION: &str = "position";
/// Name of the event.
pub(crate) const NAME: &str = "name";
/// The whole event, encoded.
pub(crate) const EVENT: &str = "event";
/// In the file's metadata: some properties have no columns, because there were too many.
pub(crate) const LEFT_OUT: &str = "paths_left_out";
/// Paths with columns of their own in one segment, at the most.
pub(crate) const MAX_PATHS: usize = 200;

const CORE: [&str; 7] = [RECORD, TIME, NAME, RECEIVED, PARTITION, POSITION, EVENT];

/// The type of a property's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    Number,
    Text,
    Bool,
}

impl Variant {
    pub(crate) const ALL: [Self; 3] = [Self::Number, Self::Text, Self::Bool];

    fn suffix(self) -> &'static str {
        match self {
            Self::Number => "#n",
            Self::Text => "#s",
            Self::Bool => "#b",
        }
    }

    fn of(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Number(_) => Self::Number,
            Scalar::Text(_) => Self::Text,
            Scalar::Bool(_) => Self::Bool,
        }
    }
}

/// The name of a property's column.
pub(crate) fn column(path: &str, variant: Variant) -> String {
    format!("{path}{}", variant.suffix())
}

/// The path and type of a property's column.
pub(crate) fn parts(column: &str) -> (&str, Variant) {
    for variant in Variant::ALL {
        if let Some(path) = column.strip_suffix(variant.suffix()) {
            return (path, variant);
        }
    }
    (column, Variant::Text)
}

/// The named columns, in this order.
pub(crate) fn schema(columns: &[impl AsRef<str>]) -> SchemaRef {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let field = |name: &str| match name {
        RECORD | PARTITION => Field::new(name, DataType::UInt32, false),
        TIME | RECEIVED => Field::new(name, DataType::Int64, false),
        POSITION => Field::new(name, DataType::UInt64, false),
        EVENT => Field::new(name, DataType::Binary, false),
        NAME => Field::new(name, text(), false),
        _ => match parts(name).1 {
            Variant::Number => Field::new(name, DataType::Float64, true),
            Variant::Bool => Field::new(name, DataType::Boolean, true),
            Variant::Text => Field::new(name, text(), true),
        },
    };
    Arc::new(Schema::new(columns.iter().map(|name| field(name.as_ref())).collect::<Vec<_>>()))
}

/// Which columns a segment gets.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) schema: SchemaRef,
    /// Whether paths had to be left out.
    pub(crate) left_out: bool,
}

impl Layout {
    /// For these rows: the paths that most of them have.
    pub(crate) fn of_rows(rows: &[Arc<Row>]) -> Self {
        let mut paths: BTreeMap<&str, (usize, BTreeSet<Variant>)> = BTreeMap::new();
        for (path, scalar) in rows.iter().flat_map(|row| &row.scalars) {
            let (count, variants) = paths.entry(path).or_default();
            *count += 1;
            variants.insert(Variant::of(scalar));
        }
        Self::choose(paths, false)
    }

    /// For a segment made of others, given their columns and whether they left paths out: a path gets columns only
    /// where all of them know all its values.
    pub(crate) fn of_segments<'a>(
        segments: impl Iterator<Item = (&'a BTreeSet<String>, bool)> + Clone,
    ) -> Self {
        let mut paths: BTreeMap<&str, (usize, BTreeSet<Variant>)> = BTreeMap::new();
        for (columns, _) in segments.clone() {
            let own =
                columns.iter().filter(|column| !CORE.contains(&column.as_str())).map(|column| parts(column));
            let mut seen = BTreeSet::new();
            for (path, variant) in own {
                let (count, variants) = paths.entry(path).or_default();
                *count += usize::from(seen.insert(path));
                variants.insert(variant);
            }
        }
        let before = paths.len();
        let knows = |columns: &BTreeSet<String>, path: &str| {
            Variant::ALL.iter().any(|variant| columns.contains(&column(path, *variant)))
        };
        paths.retain(|path, _| segments.clone().all(|(columns, left_out)| !left_out || knows(columns, path)));
        let dropped = paths.len() < before || segments.clone().any(|(_, left_out)| left_out);
        Self::choose(paths, dropped)
    }

    fn choose(paths: BTreeMap<&str, (usize, BTreeSet<Variant>)>, dropped: bool) -> Self {
        let mut order: Vec<_> = paths.into_iter().collect();
        order.sort_by_key(|(path, (count, _))| (std::cmp::Reverse(*count), *path));
        let left_out = dropped || order.len() > MAX_PATHS;
        order.truncate(MAX_PATHS);
        let mut columns: Vec<String> = CORE.map(str::to_owned).into();
        for (path, (_, variants)) in order {
            columns.extend(variants.into_iter().map(|variant| column(path, variant)));
        }
        Self { schema: schema(&columns), left_out }
    }
}

/// A column library's refusal: only a damaged file or a fault of ours leads to it.
pub(crate) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("columns of a segment could not be worked on; its file may be damaged").caused_by(error)
}

/// What came of the columns in the file at `path`: where the disk refused, that; else see [`damaged`].
pub(crate) fn columns_at(path: &Path) -> impl FnOnce(ParquetError) -> Error {
    move |error| match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(refused) => io_at(path)(*refused),
            Err(cause) => damaged(ParquetError::External(cause)),
        },
        error => damaged(error),
    }
}

/// An error of the file system at `path`.
pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let place = path.display().to_string();
    move |error| {
        Error::unavailable(format!("`{place}`: {error}; check the disk and the folder's permissions"))
            .caused_by(error)
    }
}

/// A column of a batch by name and type; `None` where the segment has none.
pub(crate) fn of<'a, A: 'static>(batch: &'a arrow::array::RecordBatch, column: &str) -> Option<&'a A> {
    batch.column_by_name(column)?.as_any().downcast_ref()
}

/// The same for a column that every segment has.
pub(crate) fn core<'a, A: 'static>(batch: &'a arrow::array::RecordBatch, column: &str) -> Result<&'a A> {
    of(batch, column).ok_or_else(|| Error::internal(format!("a segment lacks its column `{column}`")))
}
