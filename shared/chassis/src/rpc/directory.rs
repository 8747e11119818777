//! Where names of services lead: to all addresses of their replicas, which come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// Names are looked up again this often: replicas that come are found, those that go are left.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// For looking a name up.
const PATIENCE: Duration = Duration::from_secs(2);

type Answer = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
type LookUp = Arc<dyn Fn(String, u16) -> Answer + Send + Sync>;

/// Looks names up. Cheap to clone.
#[derive(Clone)]
pub(super) struct Directory {
    look_up: LookUp,
    /// How often it is worth asking.
    pub(super) every: Duration,
}

impl Directory {
    /// What this machine knows of names.
    pub(super) fn of_system() -> Self {
        let look_up = |host: String, port: u16| -> Answer {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        };
        Self { look_up: Arc::new(look_up), every: EVERY }
    }

    /// One whose answers change as the test says.
    #[cfg(test)]
    pub(super) fn new(
        every: Duration,
        look_up: impl Fn(String, u16) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Arc::new(look_up), every }
    }

    /// The addresses behind a name.
    ///
    /// # Errors
    /// Why there are none, for people.
    pub(super) async fn find(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        match tokio::time::timeout(PATIENCE, (self.look_up)(host.to_owned(), port)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(cause)) => Err(format!("the name {host} leads nowhere: {cause}")),
            Err(_) => Err(format!("the name {host} is not found within {PATIENCE:?}")),
        }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("every", &self.every).finish_non_exhaustive()
    }
}
