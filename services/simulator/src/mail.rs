//! A mailbox for everybody: an SMTP server (RFC 5321) that keeps what it is given and refuses on order.
//!
//! An order is a fault on the path `/_sim/mail/<address>` whose `http_status` is the SMTP reply: 450 for a passing
//! refusal of that recipient, 550 for a lasting one.

use std::future::Future;
use std::sync::Arc;

use kernel::{Error, Result};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fault::{self, Effect};
use crate::state::Shared;

/// Longest line and largest mail taken, in bytes.
const MAX_MAIL: usize = 10 << 20;

pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let mut sessions = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(_ended) = sessions.join_next() => {}
            accepted = listener.accept() => {
                let (stream, _) =
                    accepted.map_err(|cause| Error::unavailable("the mailbox's listener failed").caused_by(cause))?;
                // A client that breaks off is its own affair.
                let shared = shared.clone();
                sessions.spawn(async move { session(&shared, stream).await.is_ok() });
            }
        }
    }
}

/// An envelope being filled.
#[derive(Default)]
struct Envelope {
    from: String,
    to: Vec<String>,
}

async fn session(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 guanxi simulator\r\n").await?;
    let mut envelope = Envelope::default();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 || line.len() > MAX_MAIL {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => {
                "250-guanxi\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 SIZE 10485760".to_owned()
            }
            "HELO" | "NOOP" => "250 ok".to_owned(),
            "RSET" => {
                envelope = Envelope::default();
                "250 ok".to_owned()
            }
            "MAIL" => {
                envelope = Envelope { from: address(&line), to: Vec::new() };
                "250 ok".to_owned()
            }
            "RCPT" => recipient(shared, &mut envelope, address(&line)),
            "DATA" if envelope.to.is_empty() => "503 no recipient".to_owned(),
            "DATA" => {
                stream.write_all(b"354 end with a dot\r\n").await?;
                let Some(text) = data(&mut stream).await? else { return Ok(()) };
                keep(shared, std::mem::take(&mut envelope), &text);
                "250 kept".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 not known here".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
}

fn recipient(shared: &Shared, envelope: &mut Envelope, address: String) -> String {
    let fault = fault::take(&mut shared.lock().faults, "", &format!("/_sim/mail/{address}"));
    if let Some(Effect::Status(code)) = fault.map(|fault| fault.effect) {
        return format!("{code} refused on order");
    }
    envelope.to.push(address);
    "250 ok".to_owned()
}

/// Reads until the line with a dot alone, undoing dot-stuffing; `None` when the client broke off or sent too much.
async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut text = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 || text.len() + line.len() > MAX_MAIL {
            return Ok(None);
        }
        match line.as_slice() {
            b".\r\n" | b".\n" => return Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            [b'.', rest @ ..] => text.extend_from_slice(rest),
            _ => text.extend_from_slice(&line),
        }
    }
}

fn keep(shared: &Shared, envelope: Envelope, text: &str) {
    let at = shared.clock.now().to_string();
    shared.lock().mails.push(json!({ "at": at, "from": envelope.from, "to": envelope.to, "data": text }));
}

/// The address of `MAIL FROM:<a@b> …` or `RCPT TO:<a@b> …`.
fn address(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}
