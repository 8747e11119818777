//! What the consumer, the jobs and the calls share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::{Alarm, Context};
use kernel::{Result, Workspace};
use sea_orm::ConnectionTrait;

use crate::config::Config;
use crate::domain::catalogue::Catalogue;
use crate::store::definitions;

/// Shared by everything that runs. Made once.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) cx: Context,
    pub(crate) config: Config,
    pub(crate) alarms: Alarms,
    catalogues: Mutex<HashMap<Workspace, Arc<Catalogue>>>,
}

/// Wake the jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms {
    /// Customers may be due earlier than before.
    pub(crate) due: Alarm,
    /// A definition waits to be built.
    pub(crate) build: Alarm,
    /// A segment was deleted.
    pub(crate) removal: Alarm,
}

impl Engine {
    pub(crate) fn new(cx: Context, config: Config) -> Self {
        Self { cx, config, alarms: Alarms::default(), catalogues: Mutex::default() }
    }

    /// The definitions of a workspace at a version, compiled once.
    pub(crate) async fn catalogue(
        &self,
        db: &impl ConnectionTrait,
        workspace: &Workspace,
        version: i64,
    ) -> Result<Arc<Catalogue>> {
        let cached = self.lock().get(workspace).cloned();
        if let Some(cached) = cached.as_ref().filter(|cached| cached.version == version) {
            return Ok(cached.clone());
        }
        let loaded = Arc::new(definitions::load(db, workspace, version, cached.as_deref()).await?);
        self.lock().insert(workspace.clone(), loaded.clone());
        Ok(loaded)
    }

    /// The definitions as they are committed now.
    pub(crate) async fn committed(&self, workspace: &Workspace) -> Result<Arc<Catalogue>> {
        let version = definitions::version(self.cx.db.read(), workspace).await?;
        self.catalogue(self.cx.db.read(), workspace, version).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Workspace, Arc<Catalogue>>> {
        self.catalogues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
