//! An HTTP endpoint that keeps what it is posted and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Posted {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct Script {
    posted: Vec<Posted>,
    /// Status and Retry-After of the next answers; then 200.
    answers: VecDeque<(u16, &'static str)>,
}

/// A running one.
pub(crate) struct Receiver {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    _server: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let script: Arc<Mutex<Script>> = Arc::default();
        let app = Router::new().route("/hook", post(take)).with_state(script.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, _server: server }
    }

    pub(crate) fn will_answer(&self, status: u16, retry_after: &'static str) {
        self.script.lock().unwrap().answers.push_back((status, retry_after));
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.script.lock().unwrap().posted.clone()
    }
}

async fn take(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let mut script = script.lock().unwrap();
    script.posted.push(Posted { headers, bytes });
    let (status, retry_after) = script.answers.pop_front().unwrap_or((200, ""));
    let status = StatusCode::from_u16(status).unwrap();
    if retry_after.is_empty() {
        status.into_response()
    } else {
        (status, [("retry-after", retry_after)]).into_response()
    }
}
