//! `guanxi dead-letters`: what services could not take, beside the running processes, in their databases.

use kernel::{Clock, Error, Result};
use prost::Message as _;
use store::dead_letter::{self, Act, Choice, row::Model as Letter};
use store::{Database, Tenant};
use wire::event::Event;

use crate::cli::DeadLetters;
use crate::{assembly, serve, ui};

/// Letters read at once.
const PAGE: u64 = 500;

/// Lists, gives back or discards.
///
/// # Errors
/// What the settings or a database says.
pub(crate) async fn run(options: DeadLetters) -> Result<()> {
    let assembly = assembly::of(&options.services, &options.run)?;
    if serve::print_config(&assembly, &options.run)? {
        return Ok(());
    }
    let choice = Choice { workspace: options.workspace, reason: options.reason, ids: options.id };
    let wanted = match (options.redrive, options.discard) {
        (true, _) => Some((Act::Redrive, named(options.by)?)),
        (_, true) => Some((Act::Discard, named(options.by)?)),
        _ => None,
    };
    let work = async {
        for (service, db) in assembly.databases(&Clock::system()).await? {
            ui::say(match &wanted {
                Some((wanted, by)) => act(service, &db, *wanted, &choice, by).await?,
                None => list(service, &db, &choice).await?,
            });
        }
        Ok(())
    };
    Box::pin(Tenant::Platform.scope(work)).await
}

/// Whoever is to stand in the audit log. A container has no `USER`.
fn named(by: Option<String>) -> Result<String> {
    let message = "say who does this, for the audit log: --by <name>";
    by.filter(|by| !by.trim().is_empty()).ok_or_else(|| Error::precondition("OPERATOR_UNNAMED", message))
}

async fn act(service: &str, db: &Database, act: Act, choice: &Choice, by: &str) -> Result<String> {
    let mut unit = db.begin().await?;
    let count = dead_letter::act(&mut unit, act, choice, by).await?;
    unit.commit().await?;
    Ok(match act {
        Act::Redrive => format!(
            "{service}: {count} given again; those listed in a few seconds could not be taken this time either"
        ),
        Act::Discard => format!("{service}: {count} discarded"),
    })
}

/// One line each; what the event says of its customer is not shown.
async fn list(service: &str, db: &Database, choice: &Choice) -> Result<String> {
    let (mut after, mut count) = (0, 0_usize);
    loop {
        let letters = dead_letter::list(db.read(), choice, after, PAGE).await?;
        let Some(last) = letters.last() else { break };
        after = last.id;
        count += letters.len();
        letters.iter().for_each(|letter| ui::say(line(service, letter)));
    }
    Ok(format!("{service}: {count} set aside"))
}

fn line(service: &str, letter: &Letter) -> String {
    let event = Event::decode(letter.payload.as_slice()).unwrap_or_default();
    let Letter { id, workspace, stream, partition, position, reason, message, redrive, .. } = letter;
    let state = if *redrive { " (given again)" } else { "" };
    format!(
        "{service} {id}{state} workspace={workspace} at={stream}/{partition}/{position} event={} name={} {reason}: {message}",
        event.id, event.name
    )
}
