//! Being asked to stop.

use std::future::Future;
use std::pin::Pin;

use kernel::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and Ctrl-C, heard from [`Stop::listen`] on. The first process of a container that does not listen is not ended
/// by them: so this comes before everything that may take its time.
#[derive(Debug)]
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub(crate) fn listen() -> Result<Self> {
        let deaf = |cause| Error::internal("signals cannot be received").caused_by(cause);
        let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        Ok(Self { terminate: terminate.map_err(deaf)?, interrupt: interrupt.map_err(deaf)? })
    }

    /// Returns when asked to.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What comes of `work` (boxed: starting is a large future); `None` when asked to stop before it is done, which leaves
    /// it where it is.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn unless<T>(
        &mut self,
        work: Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> Result<Option<T>> {
        tokio::select! {
            done = work => done.map(Some),
            () = self.asked() => Ok(None),
        }
    }
}
