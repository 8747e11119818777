//! An endpoint outside of the killed process: keeps which messages were posted to it, and how often each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Message ids of the posts, by idempotency key.
type Posts = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A running one.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Where it is posted to.
    pub(crate) url: String,
    posts: Posts,
    _server: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (url, posts) = (format!("http://{}/", listener.local_addr()?), Posts::default());
        let app = Router::new().route("/", post(take)).with_state(posts.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It ends with the test; a failure shows as missing messages.
            let _ended = axum::serve(listener, app).await.is_ok();
        });
        Ok(Self { url, posts, _server: server })
    }

    /// Different messages so far.
    pub(crate) fn messages(&self) -> usize {
        lock(&self.posts).len()
    }

    /// The ids under which each key was posted, post by post.
    pub(crate) fn posts(&self) -> BTreeMap<String, Vec<String>> {
        lock(&self.posts).clone()
    }
}

async fn take(State(posts): State<Posts>, headers: HeaderMap, body: String) -> StatusCode {
    let key = headers.get("idempotency-key").context("no key").and_then(|key| Ok(key.to_str()?.to_owned()));
    let message = serde_json::from_str::<serde_json::Value>(&body).ok();
    let id = message.as_ref().and_then(|message| message["message_id"].as_str());
    match (key, id) {
        (Ok(key), Some(id)) => {
            lock(&posts).entry(key).or_default().push(id.to_owned());
            StatusCode::OK
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

fn lock(posts: &Posts) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
    posts.lock().unwrap_or_else(PoisonError::into_inner)
}
