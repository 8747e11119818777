//! A line to PostgreSQL on which the answers to commits get lost: what was made durable is reported as failed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kernel::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The statement as clients send it.
const COMMIT: &[u8] = b"COMMIT\0";

/// The line; dropping it cuts every connection.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    plan: Arc<Plan>,
    _carrying: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Plan {
    /// 0: none is lost.
    every: AtomicUsize,
    commits: AtomicUsize,
    lost: AtomicUsize,
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

    /// From now on the answer to every `every`th commit is lost, with its connection; with 0 none.
    pub fn lose(&self, every: usize) {
        self.plan.every.store(every, Ordering::SeqCst);
    }

    /// Answers lost so far.
    pub fn lost(&self) -> usize {
        self.plan.lost.load(Ordering::SeqCst)
    }
}

impl Plan {
    /// Whether the answer to this commit is lost.
    fn loses(&self) -> bool {
        let every = self.every.load(Ordering::SeqCst);
        every > 0 && (self.commits.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every)
    }
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
    let there = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from_client.read(&mut buffer).await?;
            let sent = &buffer[..count];
            if sent.is_empty() {
                return Ok(());
            }
            if sent.ends_with(COMMIT) && plan.loses() {
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
    }
}
