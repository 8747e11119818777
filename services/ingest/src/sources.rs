//! The sources, in memory: every request asks for one.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kernel::{Error, Result, Workspace};
use store::{Database, Unit};
use tokio::sync::Mutex;

use crate::domain::source::{self, Kind, Source, hash_write_key};
use crate::store::sources;

/// So often the table is read again where other processes may have changed it.
const LOOK: Duration = Duration::from_secs(1);

/// Reads from memory; writes to the database and to memory in one step. What another process changes is known within
/// [`LOOK`] (see [`Sources::follow`]).
#[derive(Debug)]
pub(crate) struct Sources {
    db: Database,
    dev: Option<Arc<Source>>,
    known: Arc<RwLock<Known>>,
    changing: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<(Workspace, String), Arc<Source>>,
    by_write_key: HashMap<Vec<u8>, Arc<Source>>,
    callbacks: HashMap<String, Vec<Arc<Source>>>,
}

impl Sources {
    /// All that there are; in development mode also the source `dev` of the workspace `demo`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn open(db: &Database, dev: bool) -> Result<Arc<Self>> {
        let built_in = || {
            let workspace = Workspace::new(chassis::caller::DEV_WORKSPACE);
            let write_key_hash = hash_write_key(chassis::caller::DEV_TOKEN);
            Arc::new(Source { write_key_hash, ..Source::built_in(workspace, source::DEV, Kind::Tracking) })
        };
        let sources =
            Self { db: db.clone(), dev: dev.then(built_in), known: Arc::default(), changing: Arc::default() };
        sources.read_again().await?;
        Ok(Arc::new(sources))
    }

    /// Reads again what other processes may have changed, for ever. Does so on the platform's behalf: who runs it says so.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Err(error) = self.read_again().await {
                tracing::warn!(error = %kernel::chain(&error), "sources changed by other processes cannot be read; trying again");
            }
        }
    }

    /// The source of that key; an empty key means the built-in `api`.
    ///
    /// # Errors
    /// [`kernel::Kind::NotFound`].
    pub(crate) fn get(&self, workspace: &Workspace, key: &str) -> Result<Arc<Source>> {
        if key.is_empty() || key == source::API {
            return Ok(Arc::new(Source::built_in(workspace.clone(), source::API, Kind::Api)));
        }
        self.read(|known| known.by_key.get(&(workspace.clone(), key.to_owned())).cloned())
            .ok_or_else(|| Error::not_found("source", key))
    }

    /// The source of that write key.
    pub(crate) fn by_write_key(&self, write_key: &str) -> Option<Arc<Source>> {
        self.read(|known| known.by_write_key.get(&hash_write_key(write_key)).cloned())
    }

    /// Sources of that key that take callbacks, of all workspaces: a callback's address names no workspace, its
    /// signature decides.
    pub(crate) fn callbacks(&self, key: &str) -> Vec<Arc<Source>> {
        self.read(|known| known.callbacks.get(key).cloned().unwrap_or_default())
    }

    /// Changes the sources of one workspace, one change at a time; what there is then is known as soon as it is
    /// committed, also when the caller has gone away meanwhile. Those of others are not looked at: a caller sees only its
    /// own.
    ///
    /// # Errors
    /// What `work` says, or the database.
    pub(crate) async fn change<T>(
        &self,
        workspace: &Workspace,
        work: impl AsyncFnOnce(&mut Unit) -> Result<T>,
    ) -> Result<T> {
        let one_at_a_time = self.changing.clone().lock_owned().await;
        let mut unit = self.db.begin().await?;
        let outcome = work(&mut unit).await?;
        let after = sources::of(unit.db(), workspace).await?.into_iter().map(Arc::new);
        let after: Vec<_> = after.chain(self.dev.clone().filter(|dev| dev.workspace == *workspace)).collect();
        let (known, workspace) = (self.known.clone(), workspace.clone());
        unit.afterwards(move || {
            let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
            let others = known.by_key.values().filter(|source| source.workspace != workspace).cloned();
            *known = others.chain(after).collect();
            drop(one_at_a_time);
        });
        unit.commit().await?;
        Ok(outcome)
    }

    /// Everything, unless a change is under way: then after it.
    async fn read_again(&self) -> Result<()> {
        let _one_at_a_time = self.changing.lock().await;
        let all = sources::all(self.db.read()).await?.into_iter().map(Arc::new);
        let known = all.chain(self.dev.clone()).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FromIterator<Arc<Source>> for Known {
    fn from_iter<I: IntoIterator<Item = Arc<Source>>>(sources: I) -> Self {
        let mut known = Self::default();
        for source in sources {
            if source.kind.has_write_key() {
                known.by_write_key.insert(source.write_key_hash.clone(), source.clone());
            }
            if source.kind == Kind::WechatOa {
                known.callbacks.entry(source.key.clone()).or_default().push(source.clone());
            }
            known.by_key.insert((source.workspace.clone(), source.key.clone()), source);
        }
        known
    }
}

#[cfg(test)]
mod tests;
