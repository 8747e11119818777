//! Keys come and go: a file that is replaced, an address that answers differently.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures::future::join_all;
use http::StatusCode;
use kernel::{Clock, Kind, Time};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::forge::{Forge, NOW};
use super::{ask, common, door, refuses};
use crate::auth::Authenticator;
use crate::auth::key_set::KeySet;
use crate::config::{Auth, Common};

fn at(seconds: i64) -> Time {
    Time::from_seconds(NOW + seconds)
}

/// Lives as long as the tests ask it to.
fn lasting(forge: &Forge) -> String {
    forge.token(&forge.header(), &forge.with("exp", json!(NOW + 99_999)))
}

#[tokio::test]
async fn a_new_key_in_the_file_is_found_when_a_token_names_it() {
    let (old, new) = (Forge::new(), Forge::new());
    let (door, warp) = door(&old).await;
    refuses(&door, &lasting(&new), "is not in the key set").await;
    old.write(&[old.jwk(), new.jwk()]);
    // Just read: the set is not looked at again for every stranger.
    refuses(&door, &lasting(&new), "is not in the key set").await;
    warp.advance_to(at(10));
    ask(&door, &lasting(&new)).await.unwrap();
    ask(&door, &lasting(&old)).await.unwrap();
    // A file that is damaged or gone later changes nothing.
    std::fs::write(old.file(), "{").unwrap();
    warp.advance_to(at(20));
    refuses(&door, &lasting(&Forge::new()), "is not in the key set").await;
    ask(&door, &lasting(&new)).await.unwrap();
    std::fs::remove_file(old.file()).unwrap();
    warp.advance_to(at(30));
    refuses(&door, &lasting(&Forge::new()), "is not in the key set").await;
    ask(&door, &lasting(&new)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_left_the_set_is_forgotten_within_five_minutes() {
    let (old, new) = (Forge::new(), Forge::new());
    let (door, warp) = door(&old).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(door.clone().keep_fresh());
    // Also a token that was verified and is remembered.
    ask(&door, &lasting(&old)).await.unwrap();
    old.write(&[new.jwk()]);
    while warp.next_wake() != Some(at(300)) {
        tokio::task::yield_now().await;
    }
    warp.advance_to(at(300));
    while warp.next_wake() != Some(at(600)) {
        tokio::task::yield_now().await;
    }
    refuses(&door, &lasting(&old), "is not in the key set").await;
    ask(&door, &lasting(&new)).await.unwrap();
}

/// An address that gives what it is told to, and counts how often it was asked.
struct Address {
    url: String,
    answer: Arc<Mutex<(StatusCode, Value)>>,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Address {
    async fn open(keys: &[Value]) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, json!({ "keys": keys }))));
        let asked = Arc::new(AtomicUsize::new(0));
        let (told, count) = (answer.clone(), asked.clone());
        let say = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = told.lock().unwrap().clone();
            async move { (status, body.to_string()) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        let routes = Router::new().route("/jwks.json", get(say));
        server.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, answer, asked, _server: server }
    }

    fn tell(&self, status: StatusCode, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn common(&self, forge: &Forge) -> Common {
        let common = common(forge);
        let auth = Auth { jwks: self.url.clone(), ..common.auth.clone() };
        Common { auth, ..common }
    }
}

#[tokio::test]
async fn an_address_is_asked_again_for_a_new_key_and_not_hammered() {
    let (old, new) = (Forge::new(), Forge::new());
    let address = Address::open(&[old.jwk()]).await;
    let (clock, warp) = Clock::warped(at(0));
    let door = Authenticator::open(&address.common(&old), &clock).await.unwrap();
    ask(&door, &lasting(&old)).await.unwrap();
    assert_eq!(address.asked(), 1);
    warp.advance_to(at(10));
    // Two hundred strangers at once, each with a key of its own: one question.
    let strangers: Vec<String> = (0..200)
        .map(|n| old.token(&json!({"alg": "EdDSA", "kid": format!("stranger {n}")}), &old.claims()))
        .collect();
    for answer in join_all(strangers.iter().map(|token| ask(&door, token))).await {
        assert_eq!(answer.unwrap_err().kind, Kind::Unauthenticated);
    }
    assert_eq!(address.asked(), 2);
    address.tell(StatusCode::OK, json!({ "keys": [new.jwk()] }));
    warp.advance_to(at(19));
    refuses(&door, &lasting(&new), "is not in the key set").await;
    assert_eq!(address.asked(), 2);
    warp.advance_to(at(20));
    ask(&door, &lasting(&new)).await.unwrap();
    refuses(&door, &lasting(&old), "is not in the key set").await;
    assert_eq!(address.asked(), 3);
}

#[tokio::test]
async fn an_address_that_fails_later_changes_nothing() {
    let forge = Forge::new();
    let address = Address::open(&[forge.jwk()]).await;
    let (clock, warp) = Clock::warped(at(0));
    let door = Authenticator::open(&address.common(&forge), &clock).await.unwrap();
    let broken = [
        (StatusCode::INTERNAL_SERVER_ERROR, json!({ "keys": [] })),
        (StatusCode::OK, json!({ "keys": [] })),
        (StatusCode::OK, json!("<html>")),
        (StatusCode::OK, json!("x".repeat(2 << 20))),
    ];
    for (turn, (status, body)) in (1..).zip(broken) {
        address.tell(status, body);
        warp.advance_to(at(10 * turn));
        refuses(&door, &lasting(&Forge::new()), "is not in the key set").await;
        ask(&door, &lasting(&forge)).await.unwrap();
    }
    assert_eq!(address.asked(), 5);
}

#[tokio::test]
async fn a_process_waits_a_little_for_its_address_and_then_says_which() {
    let forge = Forge::new();
    let clock = Clock::warped(at(0)).0;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/jwks.json");
    let error = KeySet::open(&url, Duration::from_millis(600), clock.clone()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains(&url) && error.message.contains("can this machine reach it"), "{error}");
    // One that comes up meanwhile is used.
    let address = Address::open(&[]).await;
    address.tell(StatusCode::SERVICE_UNAVAILABLE, json!(""));
    let opening = KeySet::open(&address.url, Duration::from_secs(60), clock.clone());
    let coming_up = async {
        while address.asked() < 2 {
            tokio::task::yield_now().await;
        }
        address.tell(StatusCode::OK, json!({ "keys": [forge.jwk()] }));
    };
    let (opened, ()) = tokio::join!(opening, coming_up);
    assert!(opened.unwrap().now().get(forge.id()).is_some());
    // What is wrong for good is said at once.
    address.tell(StatusCode::OK, json!({ "keys": "none" }));
    let error = KeySet::open(&address.url, Duration::from_secs(60), clock).await.unwrap_err();
    assert_eq!(error.kind, Kind::Precondition);
}
