//! Work that is due at moments kept in a database: one loop that sleeps until the next of them or until it is woken.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use kernel::{Activity, Clock, Result, Time};
use tokio::sync::Notify;

/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Wakes a job. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alarm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rung: AtomicBool,
    working: AtomicBool,
    /// When the job wants to run next, in microseconds.
    next: AtomicI64,
    /// Since when it fails, in microseconds; [`Time::MAX`] while it does not.
    failing: AtomicI64,
    notify: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                rung: AtomicBool::new(true),
                working: AtomicBool::new(false),
                next: AtomicI64::new(Time::MAX.0),
                failing: AtomicI64::new(Time::MAX.0),
                notify: Notify::new(),
            }),
        }
    }
}

impl Alarm {
    /// There may be work now. Call it before the cause counts as done.
    pub fn ring(&self) {
        self.inner.rung.store(true, Ordering::SeqCst);
        self.inner.notify.notify_one();
    }

    fn is_idle(&self, now: Time) -> bool {
        let inner = &self.inner;
        !inner.rung.load(Ordering::SeqCst)
            && !inner.working.load(Ordering::SeqCst)
            && inner.next.load(Ordering::SeqCst) > now.0
    }

    /// How long ago the job should have run, or since when it fails; zero when it is on time.
    pub(crate) fn late(&self, now: Time) -> Duration {
        let due = self.inner.next.load(Ordering::SeqCst).min(self.inner.failing.load(Ordering::SeqCst));
        now.since(Time(due))
    }

    /// Runs `work` now, whenever the alarm rings, and at the moment that `work` answers with (the next due one;
    /// `None`: only when it rings), and where `glance` says so, after that time of the machine's clock at the latest. A
    /// failure is logged and tried again after a pause.
    ///
    /// Known to `activity` from the call on, not only once the work is polled.
    pub fn run<W, F>(
        self,
        name: String,
        clock: Clock,
        activity: Activity,
        glance: Option<Duration>,
        work: W,
    ) -> impl Future<Output = ()> + Send
    where
        W: FnMut() -> F + Send,
        F: Future<Output = Result<Option<Time>>> + Send,
    {
        let (alarm, idle_clock) = (self.clone(), clock.clone());
        activity.register(name.clone(), move || alarm.is_idle(idle_clock.now()));
        self.repeat(name, clock, activity, glance, work)
    }

    async fn repeat<W, F>(
        self,
        name: String,
        clock: Clock,
        activity: Activity,
        glance: Option<Duration>,
        mut work: W,
    ) where
        W: FnMut() -> F + Send,
        F: Future<Output = Result<Option<Time>>> + Send,
    {
        loop {
            self.inner.working.store(true, Ordering::SeqCst);
            self.inner.rung.store(false, Ordering::SeqCst);
            let next = match work().await {
                Ok(next) => {
                    self.inner.failing.store(Time::MAX.0, Ordering::SeqCst);
                    next.unwrap_or(Time::MAX)
                }
                Err(error) => {
                    tracing::warn!(job = name, error = %crate::status::chain(&error), "a job failed; trying again");
                    self.inner.failing.fetch_min(clock.now().0, Ordering::SeqCst);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            self.inner.next.store(next.0, Ordering::SeqCst);
            // The clock must know of the sleeper before the job counts as idle: whoever moves time looks there next.
            let sleep = clock.sleep_until(next);
            tokio::pin!(sleep);
            if futures::poll!(&mut sleep).is_ready() || self.inner.rung.load(Ordering::SeqCst) {
                continue;
            }
            self.inner.working.store(false, Ordering::SeqCst);
            activity.touch();
            tokio::select! {
                () = self.inner.notify.notified() => {}
                () = sleep => {}
                () = tokio::time::sleep(glance.unwrap_or_default()), if glance.is_some() => {}
            }
        }
    }
}
