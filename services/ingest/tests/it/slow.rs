//! Senders that announce much and send little, or nothing: they keep nobody out, and are given up in the end.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use testkit::Stage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::tracking::gzip;
use crate::world::{assembly, call, post, raw};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// With room for this much, and so much time for a body.
async fn narrow(bytes: usize, body_timeout: &str) -> Stage {
    let room = format!("common.limits.bytes_in_progress={bytes}");
    let time = format!("ingest.http.body_timeout={body_timeout}");
    Stage::open(assembly(&[&room, &time])).await.unwrap()
}

/// A connection with the beginning of a request without a token, which says that `length` bytes follow.
async fn begin(stage: &Stage, length: usize, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(stage.running.http).await.unwrap();
    let head = format!("POST /v1/batch HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// Everything that is said until the connection is closed.
async fn said(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut said)).await.expect("it is kept").unwrap();
    String::from_utf8(said).unwrap()
}

async fn send(stage: &Stage, bytes: usize) -> StatusCode {
    let events =
        vec![json!({"type": "track", "event": "a", "userId": "u1", "x": "x".repeat(1_000)}); bytes / 1_000];
    call(stage, "/v1/batch", json!({"batch": events})).await.status()
}

#[tokio::test]
async fn who_announces_much_and_sends_nothing_keeps_nobody_out() {
    let stage = narrow(1_000_000, "60s").await;
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(begin(&stage, 512_000, b"{").await);
    }
    for _ in 0..10 {
        assert_eq!(send(&stage, 400_000).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn who_is_slow_is_given_up_and_what_it_held_is_given_back() {
    let stage = narrow(400_000, "2s").await;
    let mut slow = begin(&stage, 400_000, &vec![b' '; 300_000]).await;
    // Until it is all inside, others find room.
    let refused = async { while send(&stage, 200_000).await != StatusCode::TOO_MANY_REQUESTS {} };
    tokio::time::timeout(DEADLINE, refused).await.expect("what has come takes no room");
    let before = raw(&stage).await.len();
    assert_eq!(send(&stage, 50_000).await, StatusCode::OK, "there is room for a small one");
    assert_eq!(raw(&stage).await.len(), before + 50);
    let answer = said(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("ingest.http.body_timeout"), "{answer}");
    assert_eq!(send(&stage, 200_000).await, StatusCode::OK, "the room is given back");
}

/// Refused in the midst of it, a body is read to its end: senders take an earlier answer for a lost connection.
#[tokio::test]
async fn what_finds_no_room_when_it_is_inflated_may_come_again() {
    let stage = narrow(1_000_000, "60s").await;
    let _holds = begin(&stage, 300_000, &vec![b' '; 299_000]).await;
    let track = json!({"type": "track", "event": "a", "userId": "u1"});
    let body = gzip(json!({"batch": [track], "pad": " ".repeat(900_000)}).to_string().as_bytes());
    let answer = async {
        loop {
            let request = post(&stage, "/v1/batch").basic_auth("dev", Some("")).body(body.clone());
            let answer = request.header("content-encoding", "gzip").send().await.unwrap();
            if answer.status() != StatusCode::OK {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(DEADLINE, answer).await.expect("what is inflated takes no room");
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.text().await.unwrap().contains("bytes_in_progress"));
}
