//! What is measured: a platform that takes calls, whatever it runs in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bus::{Log, Stream};
use testkit::Client;
use tokio::time::Instant;

use crate::usage::Parts;

/// All services, somewhere.
pub(crate) trait Site {
    /// What it runs on and in, for the reports.
    const NAME: &str;
    /// Goals of latency are those of one process, times this.
    const SLOWER: f64;
    /// Goal of events a second, if there is one.
    const SATURATION: Option<f64>;
    /// How often [`Site::busy`] may be asked without being felt.
    const LOOK: Duration;

    /// A connection that reaches every service.
    ///
    /// # Errors
    /// For an odd address.
    fn client(&self) -> Result<Client>;

    /// A connection straight to ingest.
    ///
    /// # Errors
    /// For an odd address.
    fn ingest(&self) -> Result<Client>;

    /// The event log.
    fn log(&self) -> &Arc<dyn Log>;

    /// Lets the database do now what it does for itself within minutes.
    ///
    /// # Errors
    /// What it says.
    async fn tidy(&self) -> Result<()>;

    /// Who is at work now, by name.
    async fn busy(&self) -> Vec<String>;

    /// Returns when nothing is at work any more, with the moment since when.
    ///
    /// # Errors
    /// When that takes minutes; names who is at work.
    async fn settled(&self) -> Result<Instant>;

    /// Processor seconds so far, of everything, the bench included.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    fn processor(&self) -> Result<f64>;

    /// The same by kind of thread, or by process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    fn processor_by_part(&self) -> Result<Parts>;

    /// Most memory used at one time, in MB, the bench included; where it says so, by process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    fn memory(&self) -> Result<String>;
}

/// Where each partition of a stream ends, whoever has appended.
///
/// # Errors
/// When the log cannot be asked.
pub(crate) async fn ends(log: &Arc<dyn Log>, stream: Stream) -> Result<Vec<u64>> {
    log.latest(stream).await?;
    Ok((0..log.partitions()).map(|partition| log.end(stream, partition)).collect())
}
