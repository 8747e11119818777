//! Knows whether anything is still at work: demos and simulations move time only when everything has settled.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

type IdleCheck = Box<dyn Fn() -> bool + Send + Sync>;

/// A register of everything that works in the background. Cheap to clone.
#[derive(Clone, Default)]
pub struct Activity {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    checks: Mutex<Vec<(String, IdleCheck)>>,
    touched: Notify,
}

impl Activity {
    /// Adds a worker; `idle` says whether it has nothing to do now. It must turn false before whatever gave the work
    /// counts as done, and the worker calls [`Activity::touch`] when it turns true.
    pub fn register(&self, name: impl Into<String>, idle: impl Fn() -> bool + Send + Sync + 'static) {
        self.lock().push((name.into(), Box::new(idle)));
    }

    /// Tells those who wait that something changed.
    pub fn touch(&self) {
        self.inner.touched.notify_waiters();
    }

    /// Returns when every worker was idle in two looks in a row.
    pub async fn settled(&self) {
        loop {
            let touched = self.inner.touched.notified();
            tokio::pin!(touched);
            touched.as_mut().enable();
            if self.busy().is_empty() {
                tokio::task::yield_now().await;
                if self.busy().is_empty() {
                    return;
                }
            }
            touched.await;
        }
    }

    /// Names of those at work now.
    pub fn busy(&self) -> Vec<String> {
        self.lock().iter().filter(|(_, idle)| !idle()).map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, IdleCheck)>> {
        self.inner.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").field("busy", &self.busy()).finish()
    }
}
