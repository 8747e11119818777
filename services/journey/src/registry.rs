//! The published journeys of each workspace in memory, read anew after every change, also one made by another process.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Result, Workspace};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::domain::Definition;
use crate::domain::entry::Trigger;
use crate::store::journeys::{self, Revision};

/// Keeps them. Whoever changes a journey has [`Registry::clear`] called right after the commit, by
/// [`store::Unit::afterwards`].
#[derive(Debug, Default)]
pub(crate) struct Registry {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Grows with every change, so that what was read before one is not kept after it.
    generation: u64,
    indexes: HashMap<Workspace, (Revision, Arc<Index>)>,
}

/// The published journeys of one workspace.
#[derive(Debug, Default)]
pub(crate) struct Index {
    journeys: BTreeMap<String, Known>,
    /// Names of events that some run may wait for.
    pub(crate) waited: HashSet<String>,
    /// Attributes whose dates start runs.
    pub(crate) attributes: HashSet<String>,
    /// Live journeys by the name of the event that triggers them.
    triggers: HashMap<String, Vec<String>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Known {
    /// As kept: `live`, `paused` or `archived`.
    pub(crate) state: String,
    /// The version that is entered now.
    pub(crate) version: i32,
    versions: BTreeMap<i32, Arc<Definition>>,
}

impl Known {
    /// A version, as its runs keep it.
    pub(crate) fn definition(&self, version: i32) -> Option<&Arc<Definition>> {
        self.versions.get(&version)
    }

    /// The version that is entered now.
    pub(crate) fn current(&self) -> Option<&Arc<Definition>> {
        self.definition(self.version)
    }
}

impl Index {
    /// A published journey.
    pub(crate) fn journey(&self, key: &str) -> Option<&Known> {
        self.journeys.get(key)
    }

    /// Live journeys that an event of that name may trigger.
    pub(crate) fn triggered(&self, name: &str) -> impl Iterator<Item = (&str, &Known)> {
        let keys = self.triggers.get(name).into_iter().flatten();
        keys.filter_map(|key| Some((key.as_str(), self.journeys.get(key)?)))
    }

    /// Whether an event of that name triggers a journey.
    pub(crate) fn triggers(&self, name: &str) -> bool {
        self.triggers.contains_key(name)
    }

    /// Journeys that are not archived and start by a date.
    pub(crate) fn dated(&self) -> impl Iterator<Item = (&str, &Known, &crate::domain::entry::Anniversary)> {
        self.journeys.iter().filter(|(_, known)| known.state != journeys::ARCHIVED).filter_map(
            |(key, known)| match &known.current()?.entry.trigger {
                Trigger::Date(date) => Some((key.as_str(), known, date)),
                _ => None,
            },
        )
    }

    fn build(
        rows: Vec<journeys::Journey>,
        mut versions: BTreeMap<String, BTreeMap<i32, Arc<Definition>>>,
    ) -> Self {
        let mut index = Self::default();
        for row in rows {
            let versions = versions.remove(&row.key).unwrap_or_default();
            let known = Known { state: row.state, version: row.version, versions };
            if known.state != journeys::ARCHIVED {
                let names = known.versions.values().flat_map(|definition| definition.waited());
                index.waited.extend(names.map(str::to_owned));
            }
            let name = known.current().and_then(|definition| definition.entry.listens_to());
            if let (Some(name), journeys::LIVE) = (name, known.state.as_str()) {
                index.triggers.entry(name.to_owned()).or_default().push(row.key.clone());
            }
            index.journeys.insert(row.key, known);
        }
        index.attributes = index.dated().map(|(_, _, date)| date.attribute.clone()).collect();
        index
    }
}

impl Registry {
    /// The journeys of a workspace, from memory or from the database.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn index(&self, db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Arc<Index>> {
        // A SQLite file is this process's alone: it hears of every change.
        let revision = match db.get_database_backend() {
            DbBackend::Sqlite => Revision::default(),
            _ => journeys::revision(db, workspace).await?,
        };
        let generation = {
            let kept = self.lock();
            if let Some((_, index)) = kept.indexes.get(workspace).filter(|(of, _)| *of == revision) {
                return Ok(index.clone());
            }
            kept.generation
        };
        let index = Arc::new(load(db, workspace).await?);
        let mut kept = self.lock();
        if kept.generation == generation {
            kept.indexes.insert(workspace.clone(), (revision, index.clone()));
        }
        Ok(index)
    }

    /// The journeys of a workspace if they are in memory; another process may have changed them.
    pub(crate) fn known(&self, workspace: &Workspace) -> Option<Arc<Index>> {
        self.lock().indexes.get(workspace).map(|(_, index)| index.clone())
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        kept.generation += 1;
        kept.indexes.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn load(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<Index> {
    let mut versions: BTreeMap<String, BTreeMap<i32, Arc<Definition>>> = BTreeMap::new();
    for row in journeys::versions(db, workspace).await? {
        let definition = journeys::decode(&row.body).ok().and_then(|body| Definition::read(&body).ok());
        match definition {
            Some(definition) => {
                versions.entry(row.journey).or_default().insert(row.version, Arc::new(definition));
            }
            // It was in order when it was published: the language has changed since, or the row is damaged. Its runs end
            // with an error.
            None => {
                tracing::error!(
                    journey = row.journey,
                    version = row.version,
                    "a published definition is unreadable"
                );
            }
        }
    }
    Ok(Index::build(journeys::published(db, workspace).await?, versions))
}

#[cfg(test)]
mod tests;
