//! A server in the connector's place that keeps what it is told and answers by script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Clone)]
pub(crate) enum Turn {
    Answer(u16, String),
    Echo,
    Hang,
}

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Clone, Default)]
pub(crate) struct Receiver {
    script: Arc<Mutex<VecDeque<Turn>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Serves in `tasks`; the URL comes back.
    pub(crate) async fn start(&self, tasks: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/oa/callback", any(receive)).with_state(self.clone());
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/oa/callback?source=门店")
    }

    /// Turns to take; after them `success` for ever.
    pub(crate) fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        *self.script.lock().unwrap() = turns.into_iter().collect();
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    Query(query): Query<BTreeMap<String, String>>,
    body: String,
) -> Response {
    let echo = query.get("echostr").cloned().unwrap_or_default();
    receiver.received.lock().unwrap().push(Received { method, query, body });
    let turn = receiver.script.lock().unwrap().pop_front();
    match turn {
        None => "success".into_response(),
        Some(Turn::Echo) => echo.into_response(),
        Some(Turn::Hang) => std::future::pending().await,
        Some(Turn::Answer(status, body)) => {
            (StatusCode::from_u16(status).unwrap(), Bytes::from(body)).into_response()
        }
    }
}
