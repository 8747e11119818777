//! `guanxi apply`: definitions from YAML, created or updated as needed; a second run changes nothing.

mod document;
mod journey;
mod resource;
mod setting;

use std::path::{Path, PathBuf};

use kernel::{Error, Kind, Result};

use self::document::Document;
use self::resource::{Resource, difference};
pub(crate) use self::setting::Defaults;
use crate::cli::Apply;
use crate::client::Clients;
use crate::{dev, ui};

/// Applies a file or folder to a running platform.
///
/// # Errors
/// The first definition that cannot be read or is refused, with its file.
pub(crate) async fn run(options: Apply) -> Result<()> {
    // This token is believed in development alone, where the outside world is the simulator.
    let development = options.server.token == chassis::caller::DEV_TOKEN;
    let defaults = if development { dev::secrets() } else { Defaults::new() };
    let definitions = read(&options.file, &defaults)?;
    let clients = Clients::connect(&options.server).await?;
    let mode = Mode { dry_run: options.dry_run, with_secrets: options.with_secrets };
    let changes = apply(&clients, definitions, mode, ui::say).await?;
    ui::say(changes.summary(options.dry_run));
    Ok(())
}

/// How to apply.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Only say what would change.
    pub(crate) dry_run: bool,
    /// Update also where only secrets, which cannot be compared, may differ.
    pub(crate) with_secrets: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) created: u32,
    pub(crate) updated: u32,
    pub(crate) unchanged: u32,
}

impl Changes {
    pub(crate) fn summary(self, dry_run: bool) -> String {
        let would = if dry_run { " (nothing was changed: --dry-run)" } else { "" };
        format!("{} created, {} updated, {} unchanged{would}", self.created, self.updated, self.unchanged)
    }
}

/// A definition and where it stands.
#[derive(Debug)]
pub(crate) struct Definition {
    place: String,
    resource: Resource,
}

/// Creates and updates what differs, telling `tell` each change.
///
/// # Errors
/// The first refusal, with the definition's file and key.
pub(crate) async fn apply(
    clients: &Clients,
    definitions: Vec<Definition>,
    mode: Mode,
    tell: impl Fn(String),
) -> Result<Changes> {
    let mut changes = Changes::default();
    for Definition { place, resource } in definitions {
        let present = resource.fetch(clients).await.map_err(|error| at(error, &place, &resource))?;
        let name = format!("{} {}", resource.kind(), resource.key());
        match present {
            None => {
                if !mode.dry_run {
                    resource.create(clients).await.map_err(|error| at(error, &place, &resource))?;
                }
                tell(format!("+ {name}"));
                changes.created += 1;
            }
            Some(present) => {
                let lines = difference(&present.shown()?, &resource.shown()?);
                if lines.is_empty() && !(mode.with_secrets && resource.has_secrets()) {
                    changes.unchanged += 1;
                    continue;
                }
                if !mode.dry_run {
                    resource.update(clients).await.map_err(|error| at(error, &place, &resource))?;
                }
                tell(format!("~ {name}"));
                lines.into_iter().for_each(|line| tell(format!("    {line}")));
                changes.updated += 1;
            }
        }
    }
    Ok(changes)
}

fn at(mut error: Error, place: &str, resource: &Resource) -> Error {
    error.message = format!("{place}: {} {}: {}", resource.kind(), resource.key(), error.message);
    error
}

/// Reads a file, or the `.yaml` and `.yml` files of a folder in the order of their names.
///
/// Definitions come back in an order in which each finds what it names: ways in and out first, journeys last.
///
/// # Errors
/// [`Kind::Invalid`] with file, line and column.
pub(crate) fn read(path: &Path, defaults: &Defaults) -> Result<Vec<Definition>> {
    let mut definitions = Vec::new();
    for file in files(path)? {
        let text = std::fs::read_to_string(&file).map_err(|cause| unreadable(&file, &cause))?;
        let documents: Vec<Document> = serde_saphyr::from_multiple(&text).map_err(|cause| {
            Error::new(Kind::Invalid, "DEFINITION_INVALID", format!("{}: {cause}", file.display()))
        })?;
        for document in documents {
            let place = file.display().to_string();
            let resource = document.into_resource(defaults).map_err(|error| {
                Error::new(Kind::Invalid, "DEFINITION_INVALID", format!("{place}: {}", error.message))
            })?;
            definitions.push(Definition { place, resource });
        }
    }
    definitions.sort_by_key(|definition| definition.resource.order());
    Ok(definitions)
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|cause| unreadable(path, &cause))? {
        let file = entry.map_err(|cause| unreadable(path, &cause))?.path();
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::invalid("--file", format!("{} holds no .yaml file", path.display())));
    }
    Ok(files)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("--file", format!("{} cannot be read: {cause}", path.display()))
}
