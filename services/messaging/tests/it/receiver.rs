//! An HTTP endpoint that keeps what it is posted and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
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
    /// The next answers; then 200.
    answers: VecDeque<Answer>,
}

/// What it is told to say.
struct Answer {
    status: u16,
    /// Name and value.
    header: Option<(&'static str, String)>,
    body: String,
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
        let app = Router::new().fallback(take).with_state(script.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, _server: server }
    }

    pub(crate) fn will_answer(&self, status: u16, retry_after: &'static str) {
        let header = Some(("retry-after", retry_after.to_owned())).filter(|_| !retry_after.is_empty());
        self.will(Answer { status, header, body: String::new() });
    }

    /// Sends whoever asks next elsewhere.
    pub(crate) fn will_send_to(&self, status: u16, location: &str) {
        self.will(Answer { status, header: Some(("location", location.to_owned())), body: String::new() });
    }

    pub(crate) fn will_say(&self, body: String) {
        self.will(Answer { status: 200, header: None, body });
    }

    fn will(&self, answer: Answer) {
        self.script.lock().unwrap().answers.push_back(answer);
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.script.lock().unwrap().posted.clone()
    }
}

async fn take(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let mut script = script.lock().unwrap();
    script.posted.push(Posted { headers, bytes });
    let Some(Answer { status, header, body }) = script.answers.pop_front() else {
        return StatusCode::OK.into_response();
    };
    let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
    if let Some((name, value)) = header {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}
