//! A line to PostgreSQL on which the answers to commits get lost: what was made durable is reported as failed. Or on which
//! all is silent, as when the server's machine is gone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Statements as clients send them.
const BEGIN: &[u8] = b"BEGIN\0";
const COMMIT: &[u8] = b"COMMIT\0";

/// The line; dropping it cuts every connection.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    plan: Arc<Plan>,
    _carrying: JoinSet<()>,
}

/// Which answers are lost.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    /// The answer to every so-manieth commit, with its connection; with 0 none.
    pub every: usize,
    /// Only commits of one service, in transactions in which a statement had this text as a value.
    pub of: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Plan {
    loss: Mutex<Loss>,
    commits: AtomicUsize,
    lost: AtomicUsize,
    /// How often all connections there were went silent.
    silences: watch::Sender<usize>,
}

impl Lossy {
    /// A line to `server` (`host:port`), on which nothing is lost yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(server: &str) -> Result<Self> {
        let refused = |cause: io::Error| Error::internal(format!("no line to {server}: {cause}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(refused)?;
        let (address, plan) = (listener.local_addr().map_err(refused)?, Arc::new(Plan::default()));
        let mut carrying = JoinSet::new();
        carrying.spawn(accept(listener, server.to_owned(), plan.clone()));
        Ok(Self { address, plan, _carrying: carrying })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these are lost.
    pub fn lose(&self, loss: Loss) {
        *self.plan.loss() = loss;
    }

    /// Carries nothing more on the connections there are, and ends none of them; new ones are as they should be.
    pub fn silence(&self) {
        self.plan.silences.send_modify(|silences| *silences += 1);
    }

    /// Answers lost so far.
    pub fn lost(&self) -> usize {
        self.plan.lost.load(Ordering::SeqCst)
    }
}

impl Plan {
    fn loss(&self) -> MutexGuard<'_, Loss> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the answer to what is sent gets lost.
    fn loses(&self, sent: &[u8], marks: &mut Marks) -> bool {
        let loss = self.loss().clone();
        marks.see(sent, &loss)
            && loss.every > 0
            && sent.ends_with(COMMIT)
            && (self.commits.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(loss.every)
    }
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Marks {
    /// The service it is of; a connection begins with saying so.
    service: Vec<u8>,
    /// A statement of the open transaction had the value that is meant.
    value: bool,
}

impl Marks {
    /// Sees what is sent; whether a commit of it is one of those that may be lost.
    fn see(&mut self, sent: &[u8], loss: &Loss) -> bool {
        if let Some(name) = behind(sent, b"application_name\0guanxi ") {
            self.service = name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        }
        let Some((service, text)) = loss.of else { return true };
        // A value goes over the line behind its length.
        let value = [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
        self.value = (self.value && behind(sent, BEGIN).is_none()) || behind(sent, &value).is_some();
        self.value && self.service == service.as_bytes()
    }
}

/// What comes behind a part, where it stands first.
fn behind<'a>(bytes: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let place = bytes.windows(part.len()).position(|window| window == part)?;
    bytes.get(place + part.len()..)
}

async fn accept(listener: TcpListener, server: String, plan: Arc<Plan>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (server, plan) = (server.clone(), plan.clone());
                // A line that breaks is what this is for.
                lines.spawn(async move { drop(carry(client, &server, &plan).await) });
            }
            Some(_) = lines.join_next() => {}
        }
    }
}

/// Until one side closes, or an answer is lost.
async fn carry(client: TcpStream, server: &str, plan: &Plan) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let cut = AtomicBool::new(false);
    let mut silences = plan.silences.subscribe();
    let there = async {
        let (mut buffer, mut marks) = (vec![0; 64 << 10], Marks::default());
        loop {
            let count = from_client.read(&mut buffer).await?;
            let sent = &buffer[..count];
            if sent.is_empty() {
                return Ok(());
            }
            if plan.loses(sent, &mut marks) {
                cut.store(true, Ordering::SeqCst);
            }
            to_server.write_all(sent).await?;
        }
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from_server.read(&mut buffer).await?;
            if cut.load(Ordering::SeqCst) {
                plan.lost.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            if count == 0 {
                return Ok(());
            }
            to_client.write_all(&buffer[..count]).await?;
        }
    };
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
        _ = silences.changed() => std::future::pending().await,
    }
}
