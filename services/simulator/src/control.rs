//! The control side: `/_sim/*`. Acts as user and administrator, and shows what happened.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kernel::{Error, Kind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fault::{Fault, Order};
use crate::state::Shared;

mod oa;
mod webhook;

/// Everything below `/_sim/`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sim/wechat_oa/accounts", post(oa::put_account))
        .route("/_sim/wechat_oa/actions", post(oa::act))
        .route("/_sim/wechat_oa/fans", get(oa::fans))
        .route("/_sim/sent", get(sent))
        .route("/_sim/mail", get(mails))
        .route("/_sim/deliveries", get(deliveries))
        .route("/_sim/log", get(log))
        .route("/_sim/faults", post(fault))
        .route("/_sim/reset", post(reset))
        .route("/_sim/webhook/{name}", get(webhook::list).post(webhook::receive))
}

/// A refusal: HTTP status by kind, and a JSON body with reason and remedy.
pub(crate) struct Refused(Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Precondition | Kind::AlreadyExists => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({ "reason": self.0.reason, "message": self.0.message }))).into_response()
    }
}

/// A JSON answer or a refusal.
pub(crate) type Answer = Result<Json<Value>, Refused>;

/// Reads a body whatever its Content-Type.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::invalid("", format!("the body is not as expected: {error}")))
}

async fn mails(Extract(shared): Extract<Arc<Shared>>) -> Json<Value> {
    let mails: Vec<_> = shared.lock().mails.iter().cloned().collect();
    Json(json!({ "mails": mails }))
}

/// Which records to show; empty: all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    app_id: String,
    #[serde(default)]
    openid: String,
    #[serde(default)]
    path: String,
}

fn fits(wanted: &str, value: &str) -> bool {
    wanted.is_empty() || wanted == value
}

async fn sent(Extract(shared): Extract<Arc<Shared>>, Query(filter): Query<Filter>) -> Json<Value> {
    let state = shared.lock();
    let sent =
        state.sent.iter().filter(|m| fits(&filter.app_id, &m.app_id) && fits(&filter.openid, &m.openid));
    Json(json!({ "sent": sent.collect::<Vec<_>>() }))
}

async fn deliveries(Extract(shared): Extract<Arc<Shared>>, Query(filter): Query<Filter>) -> Json<Value> {
    let state = shared.lock();
    let all = state
        .deliveries
        .iter()
        .filter(|d| fits(&filter.app_id, &d.app_id) && fits(&filter.openid, &d.openid));
    Json(json!({ "deliveries": all.collect::<Vec<_>>() }))
}

async fn log(Extract(shared): Extract<Arc<Shared>>, Query(filter): Query<Filter>) -> Json<Value> {
    let state = shared.lock();
    let log = state.log.iter().filter(|r| fits(&filter.app_id, &r.app_id) && fits(&filter.path, &r.path));
    Json(json!({ "log": log.collect::<Vec<_>>() }))
}

async fn fault(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let fault = Fault::try_from(read::<Order>(&body)?)?;
    shared.lock().faults.push(fault);
    Ok(Json(json!({})))
}

async fn reset(Extract(shared): Extract<Arc<Shared>>) -> Json<Value> {
    shared.reset();
    Json(json!({}))
}
