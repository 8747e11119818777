//! Reads that come at the same time, gathered: what is asked of a server while others are being read is read with one
//! query.
//!
//! A query costs round trips, whatever it asks for. Who asks alone waits for nobody; the more ask, the more of them share
//! a query. A file is read by each for itself: there is nothing to share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use kernel::{Error, Result, Workspace};
use tokio::sync::Semaphore;

use crate::{Reader, Tenant};

/// Reads under way; the next one gathers until one of them has ended. One is answered while another one is being read.
const UNDER_WAY: usize = 2;

type Read<K, V> = dyn Fn(Workspace, Vec<K>) -> BoxFuture<'static, Result<V>> + Send + Sync;
type Outcome<V> = BoxFuture<'static, Result<Arc<V>, Arc<Error>>>;

/// Reads by keys, gathered by workspace. Cheap to clone.
pub struct Gathered<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    read: Box<Read<K, V>>,
    /// Whether each reads for itself.
    apart: bool,
    under_way: Semaphore,
    /// What was not begun yet.
    open: Mutex<HashMap<Workspace, Gathering<K, V>>>,
}

struct Gathering<K, V> {
    keys: Vec<K>,
    /// Driven by all who wait for it, whichever of them is there. Only they hold it: when none of them is there any more it
    /// is given up, and its place in the queue with it.
    outcome: WeakShared<Outcome<V>>,
}

impl<K, V> Clone for Gathered<K, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K, V> std::fmt::Debug for Gathered<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("free", &self.inner.under_way.available_permits()).finish()
    }
}

impl<K: Send + 'static, V: Send + Sync + 'static> Gathered<K, V> {
    /// `read` reads what belongs to many keys of one workspace, the same key perhaps more than once.
    pub fn new<F: Future<Output = Result<V>> + Send + 'static>(
        reader: &Reader,
        read: impl Fn(Reader, Workspace, Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self {
        let (apart, reader) = (reader.few().is_some(), reader.clone());
        Self::over(apart, move |workspace, keys| read(reader.clone(), workspace, keys).boxed())
    }

    fn over(
        apart: bool,
        read: impl Fn(Workspace, Vec<K>) -> BoxFuture<'static, Result<V>> + Send + Sync + 'static,
    ) -> Self {
        let (read, under_way) = (Box::new(read), Semaphore::new(UNDER_WAY));
        Self { inner: Arc::new(Inner { read, apart, under_way, open: Mutex::default() }) }
    }

    /// What was read for this key and others, as of some moment after this call.
    ///
    /// # Errors
    /// What the read said.
    pub async fn get(&self, workspace: &Workspace, key: K) -> Result<Arc<V>> {
        if self.inner.apart {
            return self.inner.read(workspace.clone(), vec![key]).await.map(Arc::new);
        }
        self.inner.clone().join(workspace, key).await.map_err(|error| {
            let mut told = Error::new(error.kind, error.reason, error.message.clone());
            told.violations = error.violations.clone();
            told.retry_after = error.retry_after;
            told.caused_by(error)
        })
    }
}

impl<K: Send + 'static, V: Send + Sync + 'static> Inner<K, V> {
    fn open(&self) -> MutexGuard<'_, HashMap<Workspace, Gathering<K, V>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: Arc<Self>, workspace: &Workspace, key: K) -> Shared<Outcome<V>> {
        let mut open = self.open();
        if let Some(gathering) = open.get_mut(workspace)
            && let Some(outcome) = gathering.outcome.upgrade()
        {
            gathering.keys.push(key);
            return outcome;
        }
        let outcome = self.clone().answer(workspace.clone()).boxed().shared();
        if let Some(weak) = outcome.downgrade() {
            // In place of one that was given up, if there is one.
            open.insert(workspace.clone(), Gathering { keys: vec![key], outcome: weak });
        }
        outcome
    }

    async fn answer(self: Arc<Self>, workspace: Workspace) -> Result<Arc<V>, Arc<Error>> {
        let closed = |cause| Arc::new(Error::internal("reads are over").caused_by(cause));
        let _turn = self.under_way.acquire().await.map_err(closed)?;
        // Whoever asks from now on is answered by the next one.
        let keys = self.open().remove(&workspace).map(|gathering| gathering.keys).unwrap_or_default();
        self.read(workspace, keys).await.map(Arc::new).map_err(Arc::new)
    }

    async fn read(&self, workspace: Workspace, keys: Vec<K>) -> Result<V> {
        let read = (self.read)(workspace.clone(), keys);
        Tenant::Workspace(workspace).scope(read).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use futures::future::join_all;
    use kernel::Kind;

    type Asked = (Workspace, Vec<u32>);

    /// Answers with the keys it was asked for, once it is let go.
    #[derive(Clone)]
    struct World {
        asked: Arc<Mutex<Vec<Asked>>>,
        go: Arc<Semaphore>,
        given_up: Arc<AtomicUsize>,
        broken: Arc<AtomicBool>,
    }

    struct Begun(Arc<AtomicUsize>);

    impl Drop for Begun {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl World {
        fn new() -> Self {
            let (asked, given_up, broken) = Default::default();
            Self { asked, go: Arc::new(Semaphore::new(0)), given_up, broken }
        }

        /// Lets so many reads come to their end.
        fn let_go(&self, reads: usize) {
            self.go.add_permits(reads);
        }

        fn gathered(&self) -> Gathered<u32, Vec<u32>> {
            self.over(false)
        }

        fn over(&self, apart: bool) -> Gathered<u32, Vec<u32>> {
            let world = self.clone();
            Gathered::over(apart, move |workspace, keys| {
                let world = world.clone();
                async move {
                    world.asked.lock().unwrap().push((workspace.clone(), keys.clone()));
                    assert_eq!(Tenant::current(), Some(Tenant::Workspace(workspace)));
                    let begun = Begun(world.given_up.clone());
                    world.go.acquire().await.unwrap().forget();
                    std::mem::forget(begun);
                    if world.broken.load(Ordering::SeqCst) {
                        return Err(Error::new(Kind::Unavailable, "DATABASE_BUSY", "busy"));
                    }
                    Ok(keys)
                }
                .boxed()
            })
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().iter().map(|(_, keys)| keys.clone()).collect()
        }
    }

    fn shop(n: u32) -> Workspace {
        Workspace::new(format!("shop-{n}"))
    }

    #[tokio::test]
    async fn two_are_under_way_and_the_next_one_gathers() {
        let world = World::new();
        let (gathered, workspace) = (world.gathered(), shop(1));
        let mut asking: Vec<_> = Vec::new();
        for n in 0..10 {
            let mut one = Box::pin(gathered.get(&workspace, n));
            assert!(futures::poll!(&mut one).is_pending());
            asking.push(one);
        }
        assert_eq!(world.asked(), [vec![0], vec![1]]);
        world.let_go(2);
        for one in &mut asking {
            let _first = futures::poll!(one);
        }
        assert_eq!(world.asked(), [vec![0], vec![1], (2..10).collect()]);
        world.let_go(1);
        assert_eq!(*asking.pop().unwrap().await.unwrap(), (2..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_file_is_read_by_each_for_itself() {
        let world = World::new();
        let (gathered, workspace) = (world.over(true), shop(1));
        let mut asking: Vec<_> = (0..10).map(|n| Box::pin(gathered.get(&workspace, n))).collect();
        for one in &mut asking {
            assert!(futures::poll!(one).is_pending());
        }
        assert_eq!(world.asked(), (0..10).map(|n| vec![n]).collect::<Vec<_>>(), "nobody waits for others");
        world.let_go(10);
        for (n, one) in (0..).zip(asking) {
            assert_eq!(*one.await.unwrap(), [n]);
        }
    }

    #[tokio::test]
    async fn workspaces_are_read_apart() {
        let world = World::new();
        let gathered = world.gathered();
        let mut asking: Vec<_> = (1..=3)
            .map(|n| (n, gathered.clone()))
            .map(|(n, gathered)| {
                Box::pin(async move { gathered.get(&shop(n), n).await.map(|keys| keys.to_vec()) })
            })
            .collect();
        while !asking.is_empty() {
            for one in &mut asking {
                let _begun = futures::poll!(one.as_mut());
            }
            world.let_go(2);
            let mut left = Vec::new();
            for mut one in asking {
                match futures::poll!(one.as_mut()) {
                    std::task::Poll::Ready(answer) => assert_eq!(answer.unwrap().len(), 1),
                    std::task::Poll::Pending => left.push(one),
                }
            }
            asking = left;
        }
        let asked = world.asked.lock().unwrap().clone();
        let each: Vec<Asked> = (1..=3).map(|n| (shop(n), vec![n])).collect();
        assert_eq!(asked, each);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_asked_and_to_nobody_after_them() {
        let world = World::new();
        world.broken.store(true, Ordering::SeqCst);
        let gathered = world.gathered();
        world.let_go(3);
        let workspace = shop(1);
        for error in join_all((0..3).map(|n| gathered.get(&workspace, n))).await {
            let error = error.unwrap_err();
            assert_eq!((error.kind, error.reason), (Kind::Unavailable, "DATABASE_BUSY"));
        }
        world.broken.store(false, Ordering::SeqCst);
        world.let_go(1);
        assert_eq!(*gathered.get(&workspace, 7).await.unwrap(), [7]);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_others_their_answer() {
        let world = World::new();
        let (gathered, workspace) = (world.gathered(), shop(1));
        let (mut first, mut second) =
            (Box::pin(gathered.get(&workspace, 1)), Box::pin(gathered.get(&workspace, 2)));
        // Both are there when the first begins the read.
        let both = gathered.inner.clone().join(&workspace, 3);
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::poll!(&mut first).is_pending());
        drop((first, both));
        world.let_go(1);
        assert_eq!(*second.await.unwrap(), [3, 2]);
        assert_eq!(world.given_up.load(Ordering::SeqCst), 1, "what nobody waits for any more is given up");
        world.let_go(1);
        assert_eq!(*gathered.get(&workspace, 4).await.unwrap(), [4]);
    }

    /// Else what nobody waits for would keep its place in the queue, and in the end every place.
    #[tokio::test]
    async fn who_goes_away_in_the_queue_leaves_it() {
        let world = World::new();
        let gathered = world.gathered();
        let shops: Vec<Workspace> = (0..5).map(shop).collect();
        let mut asking: Vec<_> = (0..).zip(&shops).map(|(n, shop)| Box::pin(gathered.get(shop, n))).collect();
        for one in &mut asking {
            assert!(futures::poll!(one).is_pending());
        }
        let mut last = asking.pop().unwrap();
        // Two are under way; two that wait behind them are given up.
        asking.truncate(2);
        world.let_go(2);
        for one in asking {
            one.await.unwrap();
        }
        assert!(futures::poll!(&mut last).is_pending());
        assert_eq!(world.asked(), [vec![0], vec![1], vec![4]]);
        world.let_go(1);
        assert_eq!(*last.await.unwrap(), [4]);
        // Whoever comes after them does not read what they asked for.
        world.let_go(1);
        assert_eq!(*gathered.get(&shops[2], 7).await.unwrap(), [7]);
    }
}
