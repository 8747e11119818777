//! Delivery: one worker per channel, so that a slow provider holds up nobody else.

mod batch;
pub(crate) mod compose;
mod recover;
mod windows;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chassis::{Alarm, Context};
use kernel::{Result, Time, Workspace};
use store::{Applied, Held};

use crate::config::Knobs;
use crate::domain::reply_window::Limits;
use crate::provider::Surroundings;
use crate::store::{channels, messages};
use worker::Worker;

/// All delivery is done by one process at a time: limits and connections of a channel are not shared between machines.
pub(crate) const LEASE: &str = "delivery";

/// Knows the workers and wakes them.
pub(crate) struct Dispatcher {
    cx: Context,
    knobs: Knobs,
    around: Surroundings,
    limits: Limits,
    /// How far reply windows have been read from the log.
    applied: Applied,
    workers: Mutex<BTreeMap<(Workspace, String), Alarm>>,
    /// The fence of the lease under which was settled what another process left; `None` before the first.
    settled: tokio::sync::Mutex<Option<i64>>,
    /// Itself, for the workers it starts.
    itself: Weak<Self>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Without workers.
    ///
    /// # Errors
    /// The limits file is broken.
    pub(crate) fn new(
        cx: Context,
        knobs: Knobs,
        around: Surroundings,
        applied: Applied,
    ) -> Result<Arc<Self>> {
        let limits = Limits::current()?;
        let workers = Mutex::default();
        Ok(Arc::new_cyclic(|itself| Self {
            cx,
            knobs,
            around,
            limits,
            applied,
            workers,
            settled: tokio::sync::Mutex::default(),
            itself: itself.clone(),
        }))
    }

    /// Settles what a process that died was sending: once after delivery has become this process's to do, and before it
    /// does any.
    async fn recover(&self) -> Result<()> {
        let fence = Held::current().map_or(0, |held| held.fence);
        let mut settled = self.settled.lock().await;
        if *settled != Some(fence) {
            recover::recover(&self.cx).await?;
            *settled = Some(fence);
        }
        Ok(())
    }

    /// Starts a worker for every channel and for everything that waits.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn start_workers(&self) -> Result<Option<Time>> {
        self.recover().await?;
        let waiting = messages::waiting_channels(self.cx.db.read()).await?;
        for (workspace, channel) in channels::keys(self.cx.db.read()).await?.into_iter().chain(waiting) {
            self.ring(&Workspace::new(workspace), &channel);
        }
        Ok(None)
    }

    /// There may be something to do on a channel.
    pub(crate) fn ring(&self, workspace: &Workspace, channel: &str) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (workspace.clone(), channel.to_owned());
        if let Some(alarm) = workers.get(&key) {
            return alarm.ring();
        }
        let Some(itself) = self.itself.upgrade() else { return };
        let alarm = Alarm::default();
        let worker = Arc::new(Worker::new(itself, workspace.clone(), channel));
        self.cx.leased_job(LEASE, &format!("delivery {workspace} {channel}"), alarm.clone(), move || {
            let worker = worker.clone();
            async move { worker.round().await }
        });
        workers.insert(key, alarm);
    }
}
