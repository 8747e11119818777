//! The streams on the server: how they are made, and what is found of them.
//!
//! What a stream is, stands in its description: how many partitions it has, and its base. The number of a message is the
//! base plus the number that the server gives; positions follow from it. The base is 0 until numbers come again: when
//! a stream had to be made anew, or the server lost its newest messages. Then it is raised above every number that was
//! ever given, so that positions only grow, whatever happens to the stream: who reads goes on at its new start, and
//! knows repetitions by producer and sequence.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, UpdateStreamError};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, State, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use kernel::{Error, Kind, Result};

use super::Options;
use super::shared::unanswered;
use crate::Stream;

/// Bases are multiples of this, so that processes which raise one at the same time choose the same.
const STEP: u64 = 1 << 20;
/// The server remembers no longer what has been published twice; readers know it anyhow.
const DUPLICATES: Duration = Duration::from_secs(1);
/// The reason of errors that say that fewer servers run than a stream is to be kept on.
pub(super) const TOO_FEW_SERVERS: &str = "LOG_SERVERS";
/// What a description begins with.
const MARK: &str = "guanxi event log";

/// What is found of a stream.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) base: u64,
    /// The server's numbers of the first message kept, or of the one to come, and of the last one ever.
    pub(super) first: u64,
    pub(super) last: u64,
    partitions: u32,
    config: Config,
}

/// The stream's name on the server.
pub(super) fn name(prefix: &str, stream: Stream) -> String {
    format!("{prefix}-{stream}")
}

/// The subject of a partition.
pub(super) fn subject(prefix: &str, stream: Stream, partition: u32) -> String {
    format!("{prefix}.{stream}.{partition}")
}

/// A base above every number up to `known`.
pub(super) const fn base_above(known: u64) -> u64 {
    (known / STEP + 1) * STEP
}

/// The stream as it is; `None` when it is not there.
pub(super) async fn find(context: &Context, name: &str) -> Result<Option<Found>> {
    match context.get_stream(name).await {
        Ok(stream) => read(stream.cached_info()).map(Some),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(cause) if is_disabled(cause.error_code()) => Err(disabled()),
            // Another server of the cluster might have answered.
            GetStreamErrorKind::Request if !context.client().server_info().jetstream => Err(disabled()),
            _ => Err(unanswered(name, error)),
        },
    }
}

/// Makes the stream, or finds the one that somebody else has made meanwhile.
pub(super) async fn create(context: &Context, options: &Options, stream: Stream, base: u64) -> Result<Found> {
    let config = wanted(options, stream, base);
    let name = config.name.clone();
    match context.create_stream(config).await {
        Ok(made) => read(made.cached_info()),
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                find(context, &name).await?.ok_or_else(|| unanswered(&name, error))
            }
            CreateStreamErrorKind::JetStream(cause) if is_disabled(cause.error_code()) => Err(disabled()),
            CreateStreamErrorKind::JetStream(cause) => Err(refused(&name, options, &cause)),
            _ => Err(unanswered(&name, error)),
        },
    }
}

/// Refuses a stream that is not as wanted where that cannot be changed.
pub(super) fn check(options: &Options, stream: Stream, found: &Found) -> Result<()> {
    let wanted = wanted(options, stream, found.base);
    if found.partitions != options.partitions {
        return Err(Error::precondition(
            "LOG_PARTITIONS",
            format!(
                "stream `{}` was made with {} partitions and {} are configured; set common.bus.partitions back, or use \
                 another common.bus.prefix",
                wanted.name, found.partitions, options.partitions
            ),
        ));
    }
    if resembles(&found.config, &wanted) {
        return Ok(());
    }
    Err(Error::precondition(
        "LOG_STREAM",
        format!(
            "stream `{}` is there with other settings than the event log needs (subjects {:?}, file storage, retention by \
             limits, old messages discarded first, no limit per subject); use another common.bus.prefix",
            wanted.name, wanted.subjects
        ),
    ))
}

/// Changes what can be changed: retention and replicas.
pub(super) async fn adapt(context: &Context, options: &Options, stream: Stream, found: &Found) -> Result<()> {
    let wanted = wanted(options, stream, found.base);
    let (max_age, num_replicas) = (wanted.max_age, wanted.num_replicas);
    if found.config.max_age == max_age && found.config.num_replicas == num_replicas {
        return Ok(());
    }
    tracing::info!(stream = wanted.name, retention = ?max_age, replicas = num_replicas, "changing the stream's settings");
    let duplicate_window = wanted.duplicate_window;
    update(context, options, Config { max_age, num_replicas, duplicate_window, ..found.config.clone() }).await
}

/// Writes down another base.
pub(super) async fn rebase(context: &Context, options: &Options, found: &Found, base: u64) -> Result<Found> {
    let description = Some(describe(found.partitions, base));
    let config = Config { description, ..found.config.clone() };
    update(context, options, config.clone()).await?;
    Ok(Found { base, config, ..found.clone() })
}

async fn update(context: &Context, options: &Options, config: Config) -> Result<()> {
    let updated: Result<Info, UpdateStreamError> = context.update_stream(&config).await;
    updated.map(drop).map_err(|error| match error.kind() {
        CreateStreamErrorKind::JetStream(cause) => refused(&config.name, options, &cause),
        _ => unanswered(&config.name, error),
    })
}

fn wanted(options: &Options, stream: Stream, base: u64) -> Config {
    Config {
        name: name(&options.prefix, stream),
        subjects: vec![format!("{}.{stream}.*", options.prefix)],
        description: Some(describe(options.partitions, base)),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: options.retention.unwrap_or_default(),
        num_replicas: options.replicas,
        duplicate_window: options.retention.unwrap_or(DUPLICATES).min(DUPLICATES),
        ..Config::default()
    }
}

fn resembles(found: &Config, wanted: &Config) -> bool {
    found.subjects == wanted.subjects
        && found.storage == wanted.storage
        && found.retention == wanted.retention
        && found.discard == wanted.discard
        && found.max_messages_per_subject <= 0
        && !found.no_ack
        && !found.sealed
}

fn describe(partitions: u32, base: u64) -> String {
    format!("{MARK}: partitions {partitions}, base {base}")
}

fn read(info: &Info) -> Result<Found> {
    let numbers = info.config.description.as_deref().and_then(|text| {
        let (partitions, base) =
            text.strip_prefix(MARK)?.strip_prefix(": partitions ")?.split_once(", base ")?;
        Some((partitions.parse().ok()?, base.parse().ok()?))
    });
    let Some((partitions, base)) = numbers else {
        return Err(Error::precondition(
            "LOG_STREAM",
            format!(
                "stream `{}` is there and is none of the event log's: its description does not begin with `{MARK}`; use \
                 another common.bus.prefix",
                info.config.name
            ),
        ));
    };
    Ok(Found {
        base,
        first: first(&info.state),
        last: info.state.last_sequence,
        partitions,
        config: info.config.clone(),
    })
}

/// The server's number of the first message kept, or of the one to come.
pub(super) fn first(state: &State) -> u64 {
    if state.messages > 0 { state.first_sequence } else { state.last_sequence + 1 }
}

fn is_disabled(code: ErrorCode) -> bool {
    [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT].contains(&code)
}

/// JetStream is off.
fn disabled() -> Error {
    Error::precondition(
        "LOG_JETSTREAM",
        "the NATS server runs without JetStream, for this account at least; start it with `jetstream { store_dir: … }` \
         in its configuration",
    )
}

/// The server does not want to have the stream like this.
fn refused(name: &str, options: &Options, cause: &async_nats::jetstream::Error) -> Error {
    let advice = match cause.error_code() {
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => format!(
            "; common.bus.replicas = {} needs a cluster of that many servers, or set it to 1",
            options.replicas
        ),
        ErrorCode::CLUSTER_NO_PEERS => {
            let advice = format!(
                "common.bus.replicas = {} needs so many servers of the cluster at the same time: see that all of them \
                 run, or set it to 1 for a smaller cluster",
                options.replicas
            );
            let message = format!("JetStream refuses stream `{name}`: {cause}; {advice}");
            return Error::precondition(TOO_FEW_SERVERS, message);
        }
        ErrorCode::STREAM_SUBJECT_OVERLAP => {
            "; another stream has its subjects: use another common.bus.prefix".into()
        }
        _ => String::new(),
    };
    let message = format!("JetStream refuses stream `{name}`: {cause}{advice}");
    let kind = if advice.is_empty() { Kind::Unavailable } else { Kind::Precondition };
    Error::new(kind, if advice.is_empty() { "UNAVAILABLE" } else { "LOG_STREAM" }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_base_lies_above_all_and_is_the_same_for_all() {
        for known in [0, 1, STEP - 1, STEP, 7 * STEP + 5] {
            assert!(base_above(known) > known);
            assert_eq!(base_above(known), base_above(known / STEP * STEP));
        }
    }
}
