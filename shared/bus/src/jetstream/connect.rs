//! Connecting for the first time.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use kernel::{Error, Kind, Result};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Options;
use super::address::{self, Address};
use super::cursor::Retired;
use super::keeper::{self, Keeper};
use super::shared::{Bounds, Link, PATIENCE, Partition, Shared, Topic};
use super::streams;
use crate::Stream;
use crate::tail::Tail;

/// A server that answers no ping for about three times this is taken for lost.
const PING: Duration = Duration::from_secs(2);
/// So long servers that have just started have to be there all, and to agree on who leads them, and then a stream: up to
/// nine seconds each.
const ELECTING: Duration = Duration::from_secs(20);
/// Pause before they are asked again.
const AGAIN: Duration = Duration::from_millis(200);
/// Pause before another attempt to connect, at the most.
const PAUSE: Duration = Duration::from_secs(2);
/// Messages that wait to be sent, at the most.
const WAITING: usize = 256;

/// Connects, makes or finds the streams, and prepares everything that works on them.
pub(super) async fn open(options: Options) -> Result<(Arc<Shared>, Keeper, Retired)> {
    let address = Address::parse(options.url.expose())?;
    let (events, turns) = mpsc::unbounded_channel();
    let client = match timeout(PATIENCE, client(&options, &address, events)).await {
        Ok(client) => client?,
        Err(_) => return Err(unreachable(&address, &"no answer")),
    };
    say_how_durable(&client, &options);
    let context = ContextBuilder::new().timeout(PATIENCE).build(client);
    let (retired, retiring) = mpsc::unbounded_channel();
    let shared = Arc::new(shared(context, address, &options, retired).await?);
    begin(&shared, &options).await?;
    let keeper = Keeper::new(shared.clone(), options, turns);
    Ok((shared, keeper, retiring))
}

/// Finds or makes the streams, as soon as enough servers are there and agree on who leads them.
async fn begin(shared: &Shared, options: &Options) -> Result<()> {
    let end = Instant::now() + ELECTING;
    loop {
        let flaw = match timeout(PATIENCE, keeper::begin(shared, options)).await {
            Ok(Err(error)) if may_pass(&error) => error,
            Ok(begun) => return begun,
            Err(_) => unreachable(&shared.address, &"JetStream does not answer"),
        };
        if Instant::now() >= end {
            return Err(flaw);
        }
        tracing::warn!(error = %flaw, "the event log is not ready; asking again");
        sleep(AGAIN).await;
    }
}

/// At the first start servers come up one by one.
fn may_pass(error: &Error) -> bool {
    error.kind == Kind::Unavailable || error.reason == streams::TOO_FEW_SERVERS
}

async fn client(options: &Options, address: &Address, events: mpsc::UnboundedSender<bool>) -> Result<Client> {
    let turned = move |event| {
        let up = match event {
            Event::Connected => Some(true),
            Event::Disconnected => Some(false),
            _ => None,
        };
        if let Some(up) = up {
            // Unheard once the log was dropped.
            let _unheard = events.send(up);
        }
        std::future::ready(())
    };
    let mut connecting = ConnectOptions::new()
        .name("guanxi event log")
        .tls_client_config(address::tls(options)?)
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ping_interval(PING)
        .client_capacity(WAITING)
        .reconnect_delay_callback(|attempts| {
            let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
            if doublings == 0 {
                Duration::ZERO
            } else {
                (PING / 100 * 2_u32.saturating_pow(doublings.min(8))).min(PAUSE)
            }
        })
        .event_callback(turned);
    if let Some(credentials) = &options.credentials {
        connecting = connecting.credentials_file(credentials).await.map_err(|error| {
            Error::precondition(
                "LOG_CREDENTIALS",
                format!("cannot use the NATS credentials in {}: {error}", credentials.display()),
            )
        })?;
    }
    let connected = address.authenticate(connecting).connect(address.servers.as_slice()).await;
    connected.map_err(|error| refused(address, &error))
}

fn refused(address: &Address, error: &ConnectError) -> Error {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Error::precondition(
            "LOG_ACCESS",
            format!("the NATS server {address} refuses our user or password; check common.bus.url"),
        ),
        _ if is_tls(error) => Error::precondition(
            "LOG_TLS",
            format!(
                "TLS with the NATS server {address} fails ({error}); check its certificate and common.bus.authority, and ours \
                 where it wants one"
            ),
        ),
        _ => unreachable(address, error),
    }
}

/// Whatever is not believed in a handshake comes as something that could not be read.
fn is_tls(error: &ConnectError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    error.kind() == ConnectErrorKind::Tls
        || cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

fn unreachable(address: &Address, why: &dyn std::fmt::Display) -> Error {
    Error::unavailable(format!(
        "cannot reach the event log's NATS server {address}: {why}; check that it runs, and common.bus.url"
    ))
}

/// A single server loses what it has not synced when the power goes.
fn say_how_durable(client: &Client, options: &Options) {
    let version = client.server_info().version;
    if options.replicas > 1 {
        return;
    }
    if client.is_server_compatible(2, 10, 0) {
        tracing::info!(
            version,
            "the event log has one replica: it survives a power cut only with `sync_interval: always` in the NATS server's \
             jetstream configuration"
        );
    } else {
        tracing::warn!(
            version,
            "the event log has one replica on a NATS server that syncs its files every two minutes: what was acknowledged \
             survives the server's end, and not a power cut; use 2.10 or newer with `sync_interval: always`, or three \
             replicas"
        );
    }
}

async fn shared(
    context: Context,
    address: Address,
    options: &Options,
    retired: mpsc::UnboundedSender<(Stream, String)>,
) -> Result<Shared> {
    let mut topics = Vec::new();
    for stream in Stream::ALL {
        topics.push(topic(&context, options, stream).await?);
    }
    let topics = topics.try_into().map_err(|_| Error::internal("there are two streams"))?;
    Ok(Shared {
        address,
        partitions: options.partitions,
        topics,
        link: watch::Sender::new(Link {
            epoch: 0,
            bases: [0; 2],
            trouble: Some("the event log is being opened".into()),
        }),
        doubt: Notify::new(),
        tail: Tail::new(Stream::ALL.len() * options.partitions as usize),
        retired,
        context,
    })
}

async fn topic(context: &Context, options: &Options, stream: Stream) -> Result<Topic> {
    let name = streams::name(&options.prefix, stream);
    let handle = context.get_stream_no_info(&name).await;
    let handle = handle.map_err(|error| super::shared::unanswered(&name, error))?;
    let first =
        Stream::ALL.iter().take_while(|before| **before != stream).count() * options.partitions as usize;
    let partition = |(slot, partition)| Partition {
        slot,
        subject: streams::subject(&options.prefix, stream, partition),
        bounds: watch::Sender::new(Bounds::default()),
        fed: watch::Sender::new(()),
        wanted: Notify::new(),
        waiting: AtomicUsize::new(0),
        touched: AtomicBool::new(false),
        cursors: Mutex::new(Vec::new()),
    };
    let partitions = (first..).zip(0..options.partitions).map(partition).collect();
    Ok(Topic { stream, name, handle, known: AtomicU64::new(0), seen: AtomicU64::new(0), partitions })
}
