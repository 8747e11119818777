//! `guanxi import`: customers or events from a CSV file, by a column mapping; re-runnable, nothing lost silently.

mod mapping;
mod rows;

use std::path::{Path, PathBuf};

use chassis::rpc::call;
use kernel::{Error, Kind, Result};
use wire::event::Event;
use wire::ingest::IngestEventsRequest;

use self::mapping::Mapping;
use self::rows::{Row, Rows};
use crate::cli::Import;
use crate::client::Clients;
use crate::ui;

/// Events in one call.
const BATCH: usize = 1_000;

/// What came of an import.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    rows: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
}

/// Imports a file into a running platform. The same file again is recognised row by row and changes nothing.
///
/// # Errors
/// When the file or mapping cannot be read, or the platform cannot be reached; rows that are wrong in themselves go to
/// the error file instead.
pub(crate) async fn run(options: Import) -> Result<()> {
    let mapping = Mapping::read(&options.mapping)?;
    let mut rows = Rows::open(&options.file, &mapping)?;
    let clients = Clients::connect(&options.server.server, &options.server.token).await?;
    let errors = options.errors.unwrap_or_else(|| beside(&options.file));
    let mut refused = Refused::new(errors);
    let bar = ui::bar(rows.bytes(), "importing");
    let mut outcome = Outcome::default();
    let mut batch: Vec<(Row, Event)> = Vec::with_capacity(BATCH);
    loop {
        let row = rows.next()?;
        let ended = row.is_none();
        if let Some(row) = row {
            outcome.rows += 1;
            match mapping.event(&row, &mapping.namespace) {
                Ok(event) => batch.push((row, event)),
                Err(reason) => refused.write(&row, &reason)?,
            }
        }
        if batch.len() >= BATCH || (ended && !batch.is_empty()) {
            send(&clients, &options.source, &mut batch, &mut outcome, &mut refused).await?;
            bar.set_position(rows.position());
        }
        if ended {
            break;
        }
    }
    bar.finish_and_clear();
    outcome.refused = refused.count;
    let Outcome { rows, accepted, duplicates, refused: wrong } = outcome;
    ui::say(format!("{rows} rows: {accepted} accepted, {duplicates} known already, {wrong} refused"));
    if let Some(file) = refused.finish()? {
        ui::say(format!("refused rows and their reasons: {}", file.display()));
    }
    Ok(())
}

async fn send(
    clients: &Clients,
    source: &str,
    batch: &mut Vec<(Row, Event)>,
    outcome: &mut Outcome,
    refused: &mut Refused,
) -> Result<()> {
    let events = batch.iter().map(|(_, event)| event.clone()).collect();
    let request = IngestEventsRequest { events, source_key: source.to_owned() };
    let answer = call(clients.ingest().ingest_events(request)).await?;
    outcome.accepted += u64::from(answer.accepted);
    outcome.duplicates += u64::from(answer.duplicates);
    for rejection in answer.rejections {
        if let Some((row, _)) = usize::try_from(rejection.index).ok().and_then(|index| batch.get(index)) {
            refused.write(row, &format!("{}: {}", rejection.reason, rejection.message))?;
        }
    }
    batch.clear();
    Ok(())
}

/// `orders.csv` → `orders.csv.errors.csv`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".errors.csv");
    name.into()
}

/// The error file: made with the first refused row.
struct Refused {
    path: PathBuf,
    writer: Option<csv::Writer<std::fs::File>>,
    count: u64,
}

impl Refused {
    fn new(path: PathBuf) -> Self {
        Self { path, writer: None, count: 0 }
    }

    fn write(&mut self, row: &Row, reason: &str) -> Result<()> {
        let failed = |path: &Path, cause: &dyn std::fmt::Display| {
            Error::new(
                Kind::Precondition,
                "NOT_WRITABLE",
                format!("{} cannot be written: {cause}", path.display()),
            )
        };
        if self.writer.is_none() {
            let mut writer =
                csv::Writer::from_path(&self.path).map_err(|cause| failed(&self.path, &cause))?;
            writer.write_record(["line", "reason", "row"]).map_err(|cause| failed(&self.path, &cause))?;
            self.writer = Some(writer);
        }
        if let Some(writer) = &mut self.writer {
            let line = row.line.to_string();
            writer
                .write_record([line.as_str(), reason, &row.text()])
                .map_err(|cause| failed(&self.path, &cause))?;
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Option<PathBuf>> {
        let Some(mut writer) = self.writer else { return Ok(None) };
        writer.flush().map_err(|cause| {
            Error::new(
                Kind::Precondition,
                "NOT_WRITABLE",
                format!("{} cannot be written: {cause}", self.path.display()),
            )
        })?;
        Ok(Some(self.path))
    }
}
