//! Ports for servers of tests.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use kernel::{Error, Result};

/// The first, and how many from there on: below those that the system gives to outgoing connections, which would take one
/// before the server that it is for is up, or while it is being restarted.
const PORTS: (u16, u16) = (14_000, 16_000);

/// A port of this machine that nobody listens on, another one for each caller in this process.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (first, count) = PORTS;
    // Processes that run at the same time begin at different places.
    let own = u16::try_from(std::process::id() % 199).unwrap_or_default() * 80;
    for _ in 0..count {
        let port = first + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::internal("no port is free"))
}
