//! Background work that starts when the process is complete and ends when it drains.

use std::future::Future;

use store::{Held, Tenant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns and ends the background work of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    open: watch::Sender<bool>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), open: watch::Sender::new(false) }
    }
}

impl Tasks {
    /// Runs `work` once every service of the process is in place; it is dropped at an await point when the process
    /// stops. A task that ends by itself in the meantime is reported as a fault.
    pub fn spawn(&self, name: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
        let (name, stop, mut open) = (name.into(), self.stop.clone(), self.open.subscribe());
        let guarded = async move {
            // An error means that the process is gone: it was given up before it began.
            let began = open.wait_for(|open| *open).await.is_ok();
            if began {
                Tenant::Platform.scope(work).await;
            }
            began
        };
        self.tracker.spawn(async move {
            if stop.run_until_cancelled(guarded).await == Some(true) {
                tracing::error!(task = name, "a background task ended by itself");
            }
        });
    }

    /// Runs `work` to its end, also while the process stops (it is waited for), under the lease that the caller holds.
    pub fn spawn_to_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        let held = Held::current();
        self.tracker.spawn(Tenant::Platform.scope(async move {
            match held {
                Some(held) => held.scope(work).await,
                None => work.await,
            }
        }));
    }

    /// Ends when the process stops.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Ends what may be ended, without waiting for it.
    pub(crate) fn give_up(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(&self) {
        self.give_up();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
