//! A mail server that keeps what it is given. The recipient decides: an address that begins with a code (`451.…`,
//! `550.…`) is answered with it, `cut.…` takes the message and hangs up without an answer.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What was taken, and from whom a refusal is taken back.
#[derive(Default)]
pub(crate) struct Kept {
    /// Recipient and whole text of every message taken.
    pub(crate) mails: Vec<(String, String)>,
    /// RCPT commands per recipient.
    pub(crate) asked: Vec<String>,
    /// Connections made.
    pub(crate) connections: usize,
    /// From now on 4xx addresses are taken.
    pub(crate) recovered: bool,
}

/// A running one.
pub(crate) struct Sink {
    pub(crate) port: u16,
    pub(crate) kept: Arc<Mutex<Kept>>,
    _server: JoinSet<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let mut server = JoinSet::new();
        let shared = kept.clone();
        server.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().connections += 1;
                let shared = shared.clone();
                open.spawn(async move {
                    // A client that hangs up ends its conversation.
                    let _ended = converse(stream, &shared).await.is_ok();
                });
            }
        });
        Self { port, kept, _server: server }
    }

    pub(crate) fn mails(&self) -> Vec<(String, String)> {
        self.kept.lock().unwrap().mails.clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.kept.lock().unwrap().asked.len()
    }
}

async fn converse(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut recipient = String::new();
    write.write_all(b"220 sink.example ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-sink.example\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n".to_owned(),
            // PLAIN of "\0user\0right".
            "AUTH" if line.ends_with("AHVzZXIAcmlnaHQ=") => "235 welcome\r\n".to_owned(),
            "AUTH" => "535 5.7.8 no such user\r\n".to_owned(),
            "RCPT" => {
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let mut kept = kept.lock().unwrap();
                kept.asked.push(recipient.clone());
                judge(&recipient, kept.recovered)
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    text.push_str(&line);
                    text.push('\n');
                }
                kept.lock().unwrap().mails.push((recipient.clone(), text));
                if recipient.starts_with("cut.") {
                    return Ok(());
                }
                "250 2.0.0 taken\r\n".to_owned()
            }
            "QUIT" => {
                return write.write_all(b"221 bye\r\n").await;
            }
            _ => "250 ok\r\n".to_owned(),
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

fn judge(recipient: &str, recovered: bool) -> String {
    let code = recipient.split('.').next().unwrap_or_default();
    match code.as_bytes() {
        [b'4', ..] if recovered => "250 ok\r\n".to_owned(),
        [b'4' | b'5', _, _] => format!("{code} {}.0.0 not today\r\n", &code[..1]),
        _ => "250 ok\r\n".to_owned(),
    }
}
