//! The benches by name, and how long each may take.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::figure::Report;
use crate::{funnel, ingest, overload, path, reads, recovery, segments};

/// Longest run of a bench that is not called long.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest run of one that is.
const LONG_LIMIT: Duration = Duration::from_secs(900);

/// All, in the order of `RESULTS.md`.
pub(crate) fn names() -> [&'static str; 11] {
    [
        "ingest-unary",
        "ingest-batched",
        "overload",
        "path-latency",
        "path-saturation",
        "path-stages-long",
        "path-engines-long",
        "segments",
        "reads-long",
        "recovery-long",
        "funnel-long",
    ]
}

/// Runs one.
///
/// # Errors
/// When an answer is wrong, or it does not end in time.
pub(crate) async fn run(name: &str) -> Result<Report> {
    let limit = if name.ends_with("-long") { LONG_LIMIT } else { LIMIT };
    let bench = async {
        match name {
            "ingest-unary" => Box::pin(ingest::unary()).await,
            "ingest-batched" => Box::pin(ingest::batched()).await,
            "overload" => Box::pin(overload::run()).await,
            "path-latency" => Box::pin(path::latency()).await,
            "path-saturation" => Box::pin(path::saturation()).await,
            "path-stages-long" => Box::pin(path::stages()).await,
            "path-engines-long" => Box::pin(path::engines()).await,
            "reads-long" => Box::pin(reads::run()).await,
            "recovery-long" => Box::pin(recovery::run()).await,
            "segments" => Box::pin(segments::live()).await,
            "funnel-long" => Box::pin(funnel::run()).await,
            _ => bail!("there is no bench `{name}`; there are {}", names().join(", ")),
        }
    };
    tokio::time::timeout(limit, bench).await.with_context(|| format!("{name} took longer than {limit:?}"))?
}
