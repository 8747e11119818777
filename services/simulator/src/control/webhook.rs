//! A sink for webhooks of any sender: keeps what comes, and fails on order.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::fault::{self, Effect};
use crate::state::{Recent, Shared};

/// Keeps the request with the status it was answered with: also those that fail on order are kept.
pub(super) async fn receive(
    Extract(shared): Extract<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = fault::take(&mut shared.lock().faults, "", &format!("/_sim/webhook/{name}"));
    let (status, answer) = match fault.map(|fault| fault.effect) {
        None => (StatusCode::OK, "{}"),
        // A platform's errcode means nothing here: the nearest thing is a server error.
        Some(Effect::Errcode(_)) => (StatusCode::INTERNAL_SERVER_ERROR, ""),
        Some(Effect::Status(status)) => {
            (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "")
        }
        Some(Effect::InvalidJson) => (StatusCode::OK, "{"),
        Some(Effect::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            (StatusCode::OK, "{}")
        }
    };
    let headers: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let text = String::from_utf8_lossy(&body).into_owned();
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    let at = shared.clock.now().to_string();
    let kept = json!({ "at": at, "status": status.as_u16(), "headers": headers, "body": text, "json": json });
    shared.lock().webhook(&name).push(kept);
    (status, answer).into_response()
}

/// What came, oldest first.
pub(super) async fn list(Extract(shared): Extract<Arc<Shared>>, Path(name): Path<String>) -> Json<Value> {
    let state = shared.lock();
    let received: Vec<_> = state.webhooks.get(&name).into_iter().flat_map(Recent::iter).collect();
    Json(json!({ "received": received }))
}
