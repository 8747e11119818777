//! Services under measurement: in this process, on the system's clock, on real files, reached by TCP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bus::Log;
use chassis::{Assembly, Running};
use kernel::Clock;
use tempfile::TempDir;
use testkit::{Client, TokenInterceptor};
use tests::platform::root;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::figure::number;
use crate::site::Site;
use crate::usage::{self, Parts};

/// Longest wait for the background work to end.
const SETTLE: Duration = Duration::from_secs(120);

/// A process that serves, and its data.
#[derive(Debug)]
pub(crate) struct Host {
    /// The process.
    pub(crate) running: Running,
    folder: TempDir,
}

/// All seven services.
pub(crate) fn all() -> Assembly {
    tests::assembly::all([])
}

/// Where benches keep what they need: on the disk of the project, not in memory.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn scratch() -> Result<PathBuf> {
    let folder = root().join(".cache/bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

impl Host {
    /// Runs `assembly` on fresh data.
    ///
    /// # Errors
    /// What starting says.
    pub(crate) async fn open(assembly: Assembly) -> Result<Self> {
        Self::open_on(assembly, tempfile::tempdir_in(scratch()?)?).await
    }

    /// Runs `assembly` on data that are there.
    ///
    /// # Errors
    /// What starting says.
    pub(crate) async fn open_on(mut assembly: Assembly, folder: TempDir) -> Result<Self> {
        let data = format!("common.data={}", folder.path().display());
        let ours = [data.as_str(), "common.grpc=127.0.0.1:0", "common.http=127.0.0.1:0", "common.dev=true"];
        assembly.layers.set.extend(ours.map(str::to_owned));
        let running = assembly.launch(Clock::system()).await?;
        Ok(Self { running, folder })
    }

    /// Stops it and gives its data.
    pub(crate) async fn stop(self) -> TempDir {
        self.running.shutdown().await;
        self.folder
    }

    /// Records on a stream.
    pub(crate) fn records(&self, stream: bus::Stream) -> u64 {
        (0..self.running.log.partitions()).map(|partition| self.running.log.end(stream, partition)).sum()
    }
}

impl Site for Host {
    const NAME: &str = "all in one process, SQLite, the embedded log";
    const SLOWER: f64 = 1.0;
    const SATURATION: Option<f64> = Some(10_000.0);
    const LOOK: Duration = Duration::from_millis(10);

    fn client(&self) -> Result<Client> {
        client(self.running.grpc)
    }

    fn ingest(&self) -> Result<Client> {
        self.client()
    }

    fn log(&self) -> &Arc<dyn Log> {
        &self.running.log
    }

    async fn tidy(&self) -> Result<()> {
        Ok(())
    }

    async fn busy(&self) -> Vec<String> {
        self.running.activity.busy()
    }

    async fn settled(&self) -> Result<Instant> {
        let settled = tokio::time::timeout(SETTLE, self.running.activity.settled()).await;
        settled.with_context(|| format!("still at work: {}", self.running.activity.busy().join(", ")))?;
        Ok(Instant::now())
    }

    fn processor(&self) -> Result<f64> {
        usage::cpu_seconds()
    }

    fn processor_by_part(&self) -> Result<Parts> {
        usage::cpu_by_thread()
    }

    fn memory(&self) -> Result<String> {
        Ok(format!("{} MB", number(usage::peak_megabytes()?)))
    }
}

/// A connection by TCP that sends the development token.
///
/// # Errors
/// For an odd address.
pub(crate) fn client(address: std::net::SocketAddr) -> Result<Client> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    Ok(InterceptedService::new(channel, TokenInterceptor))
}

/// Copies a folder with everything in it.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
