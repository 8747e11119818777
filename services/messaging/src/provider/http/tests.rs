//! A name that leads elsewhere the next time gains nothing: whoever looks twice would be sent where nobody judged.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use kernel::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::domain::settings;
use crate::provider::webhook::Webhook;

/// What is judged, and what the name leads to from then on: both this machine's.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

type Found = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

fn around(policy: Policy) -> Surroundings {
    Surroundings { clock: Clock::system(), timeout: Duration::from_secs(60), policy, concurrency: 1 }
}

/// The first asker of `asked` is told one address, all others another one.
fn rebound(asked: &AtomicUsize, port: u16) -> Found {
    let address = if asked.fetch_add(1, Ordering::SeqCst) == 0 { FIRST } else { THEN };
    Box::pin(ready(Ok(vec![SocketAddr::from((address, port))])))
}

/// A listener at each of the addresses, at one port.
async fn listeners() -> (TcpListener, TcpListener) {
    loop {
        let first = TcpListener::bind((FIRST, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        // Somebody may have that port there.
        if let Ok(then) = TcpListener::bind((THEN, port)).await {
            return (first, then);
        }
    }
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_reached() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (first, then) = listeners().await;
    let policy = Policy::new(true).looking_up(|_, port| rebound(&ASKED, port));
    let http = Http::new(policy, &around(policy)).unwrap();
    let url = format!("http://shop.example:{}/", first.local_addr().unwrap().port());
    let answer = async {
        let (mut stream, _) = first.accept().await.unwrap();
        let mut asked = [0; 1_024];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        stream
    };
    let reached = async {
        tokio::select! {
            (sent, _) = async { tokio::join!(http.post(&url).unwrap().send(), answer) } => {
                assert_eq!(sent.unwrap().status().as_u16(), 204);
            }
            _ = then.accept() => panic!("it went where the name leads by now"),
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("nobody is reached");
    assert_eq!(ASKED.load(Ordering::SeqCst), 1, "the name is looked up once");
}

#[tokio::test]
async fn a_name_that_leads_within_is_not_followed_when_it_led_without_before() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (_first, then) = listeners().await;
    let port = then.local_addr().unwrap().port();
    // Somebody has looked, and found it good.
    let _judged = rebound(&ASKED, port).await.unwrap();
    let policy = Policy::new(false).looking_up(|_, port| rebound(&ASKED, port));
    let settings = settings::Webhook {
        url: format!("http://shop.example:{port}/"),
        secret: kernel::Secret::default(),
        headers: std::collections::BTreeMap::new(),
        allow_private: true,
    };
    let webhook = Webhook::new(settings, &around(policy)).unwrap();
    let http = Http::new(policy, &around(policy)).unwrap();
    tokio::select! {
        (tested, sent) = async { tokio::join!(webhook.test(), http.post("http://shop.example/").unwrap().send()) } => {
            assert!(tested.unwrap_err().contains("no public address"));
            assert!(describe(sent.unwrap_err()).contains("no public address"));
        }
        _ = then.accept() => panic!("it went within"),
    }
}
