//! The error file: refused rows as they stood, with their line and the reason behind the last column, so that they can be
//! corrected there and the file be imported in its turn.

use std::path::{Path, PathBuf};

use kernel::{Error, Kind, Result};

use super::mapping::Mapping;
use super::rows::Row;

/// Made with the first refused row.
pub(super) struct Refused {
    path: PathBuf,
    delimiter: u8,
    has_header: bool,
    writer: Option<csv::Writer<std::fs::File>>,
    count: u64,
}

impl Refused {
    /// At `path`, else beside the imported file: `orders.csv` → `orders.csv.errors.csv`.
    pub(super) fn new(path: Option<PathBuf>, imported: &Path, mapping: &Mapping) -> Self {
        let path = path.unwrap_or_else(|| {
            let mut name = imported.as_os_str().to_owned();
            name.push(".errors.csv");
            name.into()
        });
        let has_header = mapping.columns.is_empty();
        Self { path, delimiter: mapping.delimiter(), has_header, writer: None, count: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&mut self, row: &Row, reason: &str) -> Result<()> {
        self.try_write(row, reason).map_err(|cause| self.failed(&cause))?;
        self.count += 1;
        Ok(())
    }

    fn try_write(&mut self, row: &Row, reason: &str) -> csv::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let mut writer = csv::WriterBuilder::new()
                    .flexible(true)
                    .delimiter(self.delimiter)
                    .from_path(&self.path)?;
                if self.has_header {
                    writer
                        .write_record(row.columns().iter().map(String::as_str).chain(["line", "reason"]))?;
                }
                self.writer.insert(writer)
            }
        };
        let (line, missing) =
            (row.line.to_string(), row.columns().len().saturating_sub(row.fields().count()));
        let filled = row.fields().chain(std::iter::repeat_n("", missing));
        writer.write_record(filled.chain([line.as_str(), reason]))
    }

    /// Rows written.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Where they are, if there are any.
    ///
    /// # Errors
    /// When the file cannot be written to its end.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>> {
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        writer.flush().map_err(|cause| self.failed(&cause))?;
        Ok(Some(self.path))
    }

    fn failed(&self, cause: &dyn std::fmt::Display) -> Error {
        let message =
            format!("{} cannot be written: {cause}; choose another place with --errors", self.path.display());
        Error::new(Kind::Precondition, "NOT_WRITABLE", message)
    }
}
