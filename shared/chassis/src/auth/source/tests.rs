//! Which addresses may give the keys that everything is believed by.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[test]
fn only_this_machine_gives_keys_without_tls() {
    for forgeable in
        ["http://id.example.com/jwks.json", "http://10.0.0.1/", "http://[fd00::1]:80/", "HTTP://a.example/"]
    {
        assert!(may_be_forged(forgeable), "{forgeable}");
    }
    for safe in [
        "",
        "/etc/guanxi/jwks.json",
        "https://id.example.com/",
        "http://localhost:1/",
        "http://127.0.0.1:1/",
        "http://[::1]/",
    ] {
        assert!(!may_be_forged(safe), "{safe}");
    }
}

#[tokio::test]
async fn keys_come_from_nowhere_else_than_the_operator_says() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = Source::new(&format!("http://{}/jwks.json", listener.local_addr().unwrap())).unwrap();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 1_024];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        let location = elsewhere.local_addr().unwrap();
        let told = format!("HTTP/1.1 302 Found\r\nlocation: http://{location}/\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(told.as_bytes()).await.unwrap();
        stream
    };
    tokio::select! {
        (read, _) = async { tokio::join!(source.read(), answer) } => {
            let error = read.unwrap_err();
            assert!(error.message.contains("302"), "{error}");
        }
        _ = elsewhere.accept() => panic!("it was asked for keys"),
    }
}
