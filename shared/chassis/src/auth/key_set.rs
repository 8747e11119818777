//! The key set in use: read at the start, every five minutes, and when a token names a key that is not in it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kernel::{Clock, Error, Kind, Result, Time};
use tokio::sync::Mutex;

use super::keys::Keys;
use super::source::Source;

/// Between two readings of the set: also how long a key that was taken out of it is still believed.
const REFRESH: Duration = Duration::from_secs(300);
/// Unknown keys make the set be read again at most this often, however many tokens name some.
const PAUSE: Duration = Duration::from_secs(10);
/// An address may take this long to give its set when the process starts.
pub(super) const START: Duration = Duration::from_secs(10);
/// Between two attempts then.
const STEP: Duration = Duration::from_millis(250);

/// The keys of now.
#[derive(Debug)]
pub(super) struct KeySet {
    source: Source,
    clock: Clock,
    keys: RwLock<Arc<Keys>>,
    /// When the set was read, or tried to be, the last time; held while it is read.
    read_at: Mutex<Time>,
}

impl KeySet {
    /// Reads the set; an address is asked again for so long.
    ///
    /// # Errors
    /// [`Kind::Precondition`] when it cannot be used, [`Kind::Unavailable`] when its address does not answer.
    pub(super) async fn open(jwks: &str, patience: Duration, clock: Clock) -> Result<Self> {
        let source = Source::new(jwks)?;
        let begin = Instant::now();
        let keys = loop {
            match load(&source).await {
                Ok(keys) => break keys,
                Err(error) if error.kind == Kind::Unavailable && begin.elapsed() < patience => {
                    tracing::info!(%error, "waiting for the key set");
                    tokio::time::sleep(STEP).await;
                }
                Err(error) => return Err(error),
            }
        };
        let read_at = Mutex::new(clock.now());
        Ok(Self { source, clock, keys: RwLock::new(Arc::new(keys)), read_at })
    }

    /// The keys of now.
    pub(super) fn now(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, read again if they do not have `id` and were not read just now.
    pub(super) async fn with(&self, id: &str) -> Arc<Keys> {
        let keys = self.now();
        if keys.get(id).is_some() {
            return keys;
        }
        // Whoever comes while the set is read waits for that reading and makes no second one.
        let mut read_at = self.read_at.lock().await;
        if self.clock.now().since(*read_at) >= PAUSE {
            self.read_again(&mut read_at).await;
        }
        self.now()
    }

    /// Reads the set every five minutes.
    pub(super) async fn keep_fresh(&self) {
        loop {
            self.clock.sleep(REFRESH).await;
            let mut read_at = self.read_at.lock().await;
            self.read_again(&mut read_at).await;
        }
    }

    /// The last good set stays when there is no new one.
    async fn read_again(&self, read_at: &mut Time) {
        *read_at = self.clock.now();
        match load(&self.source).await {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
            Err(error) => tracing::warn!(%error, "the key set stays as it was read before"),
        }
    }
}

async fn load(source: &Source) -> Result<Keys> {
    let text = source.read().await?;
    Keys::parse(&text).map_err(|flaw| {
        let place = match source {
            Source::File(file) => file.display().to_string(),
            Source::Address(_, address) => address.clone(),
        };
        let message = format!("common.auth.jwks: the key set {place} cannot be used: {flaw}");
        Error::precondition("KEY_SET_INVALID", message)
    })
}
