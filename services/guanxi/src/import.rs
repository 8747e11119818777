//! `guanxi import`: customers or events from a CSV file, by a column mapping; re-runnable, nothing lost silently.

mod mapping;
mod refused;
mod rows;

use chassis::rpc::call;
use kernel::Result;
use wire::event::Event;
use wire::ingest::IngestEventsRequest;

use self::mapping::Mapping;
use self::refused::Refused;
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
    let clients = Clients::connect(&options.server).await?;
    let mut refused = Refused::new(options.errors, &options.file, &mapping);
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
    outcome.refused = refused.count();
    let Outcome { rows, accepted, duplicates, refused: wrong } = outcome;
    ui::say(format!("{rows} rows: {accepted} accepted, {duplicates} known already, {wrong} refused"));
    if let Some(file) = refused.finish()? {
        ui::say(format!(
            "refused rows and their reasons: {}; correct them there and import that file",
            file.display()
        ));
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
