//! One piece of work at a time: a transaction, what memory knows, and the graph between them.
//!
//! Whoever writes first begins a unit of work and then takes the session; both are held until the commit, so that
//! memory and database never disagree. A session that is not kept forgets everything, and so does the first one after
//! another process has written, which units of work without a session (a consumer's position alone) find too.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chassis::Context;
use kernel::{Clock, Ids, Result, Workspace};
use sea_orm::DatabaseTransaction;
use store::{Database, Unit};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::config::Config;
use crate::domain::graph::Apart;
use crate::domain::{Graph, Policy};
use crate::memory::{Learned, Memory};
use crate::store::separation;
use crate::work::Work;

/// What all calls and the consumer share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub db: Database,
    pub policy: Arc<Policy>,
    pub ids: Ids,
    pub clock: Clock,
    cache: usize,
    memories: Arc<Mutex<Memories>>,
}

/// What is remembered of each workspace.
#[derive(Debug, Default)]
struct Memories {
    by_workspace: HashMap<Workspace, Memory>,
    /// The state of the database that they are of, as [`Unit::generation`] says it.
    generation: u64,
}

impl Engine {
    pub(crate) fn new(config: &Config, cx: &Context) -> Self {
        Self {
            db: cx.db.clone(),
            policy: Arc::new(Policy::new(config)),
            ids: cx.ids.clone(),
            clock: cx.clock.clone(),
            cache: config.cache,
            memories: Arc::default(),
        }
    }

    /// Waits until nobody else writes. What other processes may have written meanwhile is read anew.
    pub(crate) async fn session(&self, unit: &Unit) -> Session {
        let mut memories = self.memories.clone().lock_owned().await;
        if memories.generation != unit.generation() {
            memories.by_workspace.clear();
            memories.generation = unit.generation();
        }
        Session { memories, done: Vec::new(), cache: self.cache, kept: false }
    }
}

/// The right to write.
#[derive(Debug)]
pub(crate) struct Session {
    memories: OwnedMutexGuard<Memories>,
    done: Vec<(Workspace, Learned)>,
    cache: usize,
    kept: bool,
}

/// A finished piece of work, to be published and learnt when it commits.
#[derive(Debug)]
pub(crate) struct Done {
    pub workspace: Workspace,
    pub learned: Learned,
    /// Customer id and encoded event, in order.
    pub outgoing: Vec<(Bytes, Bytes)>,
}

impl Session {
    /// Begins work for a workspace within the transaction.
    pub(crate) async fn work<'a>(
        &'a mut self,
        engine: &'a Engine,
        db: &'a DatabaseTransaction,
        workspace: &Workspace,
    ) -> Result<Work<'a>> {
        let cache = self.cache;
        let memories = &mut self.memories.by_workspace;
        let memory = memories.entry(workspace.clone()).or_insert_with(|| Memory::new(cache));
        let apart = match &memory.apart {
            Some(apart) => apart.clone(),
            None => {
                let rows = separation::all(db, workspace).await?;
                memory.apart.insert(Apart::new(rows.iter().map(separation::separation))).clone()
            }
        };
        let graph = Graph::new(engine.policy.clone(), apart);
        Ok(Work::new(engine, db, workspace.clone(), memory, graph))
    }

    /// Hands what a piece of work publishes to the unit.
    pub(crate) fn publish(&mut self, unit: &mut Unit, done: Done) {
        for (key, payload) in done.outgoing {
            unit.publish_encoded(&done.workspace, key, payload);
        }
        self.done.push((done.workspace, done.learned));
    }

    /// Commits a call's unit of work and returns when everybody can see it. The right to write is given back before that.
    pub(crate) async fn commit(self, unit: Unit) -> Result<()> {
        let publishing = unit.commit_to_publish().await?;
        self.keep();
        publishing.done().await;
        Ok(())
    }

    /// After the commit: remembers.
    pub(crate) fn keep(mut self) {
        for (workspace, learned) in std::mem::take(&mut self.done) {
            if let Some(memory) = self.memories.by_workspace.get_mut(&workspace) {
                memory.learn(learned);
            }
        }
        self.kept = true;
    }

    /// After people changed links or separations: what is remembered of the workspace may be wrong.
    pub(crate) async fn commit_and_forget(mut self, unit: Unit) -> Result<()> {
        let workspaces: Vec<Workspace> = self.done.iter().map(|(workspace, _)| workspace.clone()).collect();
        let publishing = unit.commit_to_publish().await?;
        for workspace in workspaces {
            self.memories.by_workspace.remove(&workspace);
        }
        self.kept = true;
        drop(self);
        publishing.done().await;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.kept {
            self.memories.by_workspace.clear();
        }
    }
}
