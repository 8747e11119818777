//! Reads the rows of a CSV file, one by one, with their line numbers.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use kernel::{Error, Result};

use super::mapping::Mapping;

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Of the file, from 1.
    pub(super) line: u64,
    fields: csv::StringRecord,
    columns: Arc<Vec<String>>,
}

impl Row {
    /// The value in a column, trimmed; `None` when it is empty.
    ///
    /// # Errors
    /// A text that names the column when the file has none of that name or the row is too short.
    pub(super) fn get(&self, column: &str) -> Result<Option<&str>, String> {
        let index =
            self.columns.iter().position(|name| name == column).ok_or_else(|| {
                format!("there is no column `{column}`; there are {}", self.columns.join(", "))
            })?;
        let value = self.fields.get(index).ok_or_else(|| {
            format!("has {} fields, but `{column}` is the {}.", self.fields.len(), index + 1)
        })?;
        Ok(Some(value.trim()).filter(|value| !value.is_empty()))
    }

    /// All values as they stand.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter()
    }

    /// Names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The whole row, for its id.
    pub(super) fn text(&self) -> String {
        self.fields.iter().collect::<Vec<_>>().join(",")
    }
}

/// The file being read.
pub(super) struct Rows {
    records: csv::StringRecordsIntoIter<Source>,
    columns: Arc<Vec<String>>,
    bytes: u64,
    position: u64,
    path: String,
}

type Source = Box<dyn std::io::Read + Send>;

impl Rows {
    /// Opens a file as the mapping says.
    ///
    /// # Errors
    /// When it cannot be read or its header lacks a column that the mapping names.
    pub(super) fn open(path: &Path, mapping: &Mapping) -> Result<Self> {
        let unreadable = |cause: &dyn std::fmt::Display| {
            Error::invalid("file", format!("{} cannot be read: {cause}", path.display()))
        };
        let file = File::open(path).map_err(|cause| unreadable(&cause))?;
        let bytes = file.metadata().map_err(|cause| unreadable(&cause))?.len();
        if bytes == 0 {
            let needed = if mapping.columns.is_empty() { "a header line and rows" } else { "rows" };
            let message = format!("{} is empty; it needs {needed}", path.display());
            return Err(Error::invalid("file", message));
        }
        let source: Source = if mapping.spaced() { Box::new(Squeezed::new(file)) } else { Box::new(file) };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(mapping.columns.is_empty())
            .delimiter(mapping.delimiter())
            .flexible(true)
            .from_reader(source);
        let columns = if mapping.columns.is_empty() {
            let header = reader.headers().map_err(|cause| unreadable(&cause))?;
            header.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_owned()).collect()
        } else {
            mapping.columns.clone()
        };
        if let Some(missing) = mapping.named_columns().find(|name| !columns.contains(*name)) {
            let message = format!(
                "{} has no column `{missing}`; it has {}: correct the mapping, or its `delimiter`",
                path.display(),
                columns.join(", ")
            );
            return Err(Error::invalid("mapping", message));
        }
        let records = reader.into_records();
        Ok(Self { records, columns: Arc::new(columns), bytes, position: 0, path: path.display().to_string() })
    }

    /// Size of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes read so far (about).
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on or is not UTF-8 there.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match self.records.next() {
            None => Ok(None),
            Some(Ok(fields)) => {
                let place = fields.position().map(|position| (position.line(), position.byte()));
                let (line, byte) = place.unwrap_or_default();
                self.position = byte;
                Ok(Some(Row { line, fields, columns: self.columns.clone() }))
            }
            Some(Err(cause)) => {
                let remedy = if matches!(cause.kind(), csv::ErrorKind::Utf8 { .. }) {
                    "; save the file as UTF-8 and import it again: rows that were taken are known"
                } else {
                    ""
                };
                Err(Error::invalid("file", format!("{}: {cause}{remedy}", self.path)))
            }
        }
    }
}

/// Makes runs of blanks into single ones and drops those at the ends of lines, so that a file in fixed columns reads
/// like one with a delimiter.
struct Squeezed {
    lines: std::io::Lines<std::io::BufReader<File>>,
    pending: Vec<u8>,
}

impl Squeezed {
    fn new(file: File) -> Self {
        use std::io::BufRead as _;
        Self { lines: std::io::BufReader::new(file).lines(), pending: Vec::new() }
    }
}

impl std::io::Read for Squeezed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.pending.is_empty() {
            let Some(line) = self.lines.next().transpose()? else { return Ok(0) };
            self.pending = line.split_whitespace().collect::<Vec<_>>().join(" ").into_bytes();
            self.pending.push(b'\n');
        }
        let count = buffer.len().min(self.pending.len());
        if let (Some(into), Some(from)) = (buffer.get_mut(..count), self.pending.get(..count)) {
            into.copy_from_slice(from);
        }
        self.pending.drain(..count);
        Ok(count)
    }
}
