//! A throw-away NATS server with JetStream, which tests may kill, restart and starve.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use kernel::{Error, Result};
use tempfile::TempDir;

use super::port::free_port;

/// A server is up within this time.
const DEADLINE: Duration = Duration::from_secs(20);
/// What every configuration has but for [`NatsServer::start_with`].
const USUAL: &str = "max_payload: 8MB";

/// The program: the one that `NATS_SERVER` names, else the one on `PATH`.
#[expect(clippy::disallowed_methods, reason = "says where tests run, and is no setting of the product")]
fn program() -> String {
    std::env::var("NATS_SERVER")
        .ok()
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "nats-server".to_owned())
}

/// Whether servers started here can flush before they acknowledge: they know `sync_interval: always`, as from 2.10 on.
pub fn flushes_at_once() -> bool {
    static FLUSHES: OnceLock<bool> = OnceLock::new();
    *FLUSHES.get_or_init(|| {
        let output = Command::new(program()).arg("--version").output();
        let said =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        knows_sync_always(&said)
    })
}

/// `nats-server: v2.10.1`.
fn knows_sync_always(said: &str) -> bool {
    let version = said.trim().rsplit('v').next().unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(10))
}

/// One server on a port of its own, which ends with this value; or the one that `NATS_URL` names.
#[derive(Debug)]
pub struct NatsServer {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    given: Option<String>,
}

impl NatsServer {
    /// The server at `NATS_URL` if that is set, for tests that neither kill nor configure it; else starts one. Take a
    /// [`NatsServer::prefix`]: others use it too.
    ///
    /// # Errors
    /// When it cannot be started; says what to install.
    #[expect(clippy::disallowed_methods, reason = "says where tests run, and is no setting of the product")]
    pub fn given_or_start() -> Result<Self> {
        let Some(given) = std::env::var("NATS_URL").ok().filter(|url| !url.is_empty()) else {
            return Self::start();
        };
        let mut server = Self::idle()?;
        server.given = Some(given);
        Ok(server)
    }

    /// The one that all tests of this process share, as [`NatsServer::given_or_start`] has it; it ends with the process.
    ///
    /// # Errors
    /// When it cannot be started; says what to install.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<NatsServer>> = OnceLock::new();
        let server = SHARED.get_or_init(|| {
            let server = Self::given_or_start()?;
            server.end_with_us()?;
            Ok(server)
        });
        server.as_ref().map_err(|error| Error::new(error.kind, error.reason, error.message.clone()))
    }

    /// Ends it with this process, for one that is never dropped.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn end_with_us(&self) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| end_with_us(process.id()))
    }

    /// Starts one with an empty store. Blocks until it answers.
    ///
    /// # Errors
    /// When it cannot be started; says what to install.
    pub fn start() -> Result<Self> {
        Self::start_with(USUAL)
    }

    /// The same with these lines of configuration, to which address and store are added. `jetstream` is switched on unless
    /// they say something of it, and keeps what it acknowledges where the server can ([`flushes_at_once`]).
    ///
    /// # Errors
    /// When it cannot be started; says what to install.
    pub fn start_with(lines: &str) -> Result<Self> {
        let mut server = Self::idle()?;
        server.configure(lines)?;
        server.restart()?;
        Ok(server)
    }

    fn idle() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| failed("no temporary folder", &error))?;
        Ok(Self { folder, port: free_port()?, process: None, given: None })
    }

    /// Writes another configuration; it holds from the next start on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let store = self.store();
        let jetstream = match lines.contains("jetstream") {
            true => lines.replace("STORE", &store.display().to_string()),
            false => {
                let sync = if flushes_at_once() { ", sync_interval: always" } else { "" };
                format!("{lines}\njetstream {{ store_dir: \"{}\"{sync} }}", store.display())
            }
        };
        let text = format!("listen: \"127.0.0.1:{}\"\n{jetstream}\n", self.port);
        std::fs::write(self.folder.path().join("nats.conf"), text)
            .map_err(|error| failed("no configuration", &error))
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        self.given.clone().unwrap_or_else(|| format!("nats://127.0.0.1:{}", self.port))
    }

    /// A prefix for streams that no other test uses.
    pub fn prefix() -> String {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Where it keeps its files.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ended = process.kill().and_then(|()| process.wait());
        }
    }

    /// Starts it again on the same port and store, after [`NatsServer::kill`].
    ///
    /// # Errors
    /// When it cannot be started; says what to install.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let folder = self.folder.path();
        let output =
            std::fs::File::create(folder.join("output")).map_err(|error| failed("no file", &error))?;
        let process = Command::new(program())
            .arg("-c")
            .arg(folder.join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(output))
            .spawn()
            .map_err(|error| {
                let program = program();
                failed(&format!("cannot run `{program}`: install it with `apt-get install nats-server`, so that it is on PATH"), &error)
            })?;
        self.process = Some(process);
        self.answers()
    }

    /// Stops it without ending it, as an overloaded machine does, or lets it go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let process = self.process.as_ref().map(|process| process.id().to_string()).unwrap_or_default();
        let sent = Command::new("kill").args([signal, &process]).status();
        if !sent.is_ok_and(|status| status.success()) {
            return Err(Error::internal(format!("cannot send {signal} to process `{process}`")));
        }
        // It stops when it is next interrupted.
        let begin = Instant::now();
        let stopped = || {
            std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") T "))
        };
        while frozen && !stopped() && begin.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until it takes clients.
    fn answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while begin.elapsed() < DEADLINE {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if ended.is_some() {
                break;
            }
            if pong(address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        Err(Error::internal(format!("nats-server does not answer on {address}; it said:\n{said}")))
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies a store, for example to put an older one in its place later. The server should not be running.
///
/// # Errors
/// When files cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            std::fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

/// A server greets who connects.
fn pong(address: SocketAddr) -> std::io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut greeting = [0; 4];
    connection.read_exact(&mut greeting)?;
    connection.write_all(b"PING\r\n")?;
    if &greeting == b"INFO" { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

/// Nothing is dropped when a process ends; but the standard input of this one then does, whatever ended us.
fn end_with_us(server: u32) -> Result<()> {
    // A signal to the whole group, such as Ctrl-C or a CI's TERM, must not end the watcher first.
    let script = format!("trap '' INT TERM; cat > /dev/null; kill -KILL {server}");
    let guard = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).spawn();
    let guard = guard.map_err(|error| failed("no shell", &error))?;
    // Its end of the pipe stays open with ours.
    std::mem::forget(guard);
    Ok(())
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    Error::internal(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::knows_sync_always;

    #[test]
    fn servers_from_2_10_on_can_flush_at_once() {
        for (said, can) in
            [("v2.9.10", false), ("v2.10.0", true), ("v2.15.1-RC.1", true), ("v3.0.0", true), ("?", false)]
        {
            assert_eq!(knows_sync_always(&format!("nats-server: {said}\n")), can, "{said}");
        }
    }
}
