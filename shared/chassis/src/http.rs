//! HTTP of every process: health and metrics, and what is told where nothing is served.

use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{Method, StatusCode, Uri};
use serde_json::json;

use crate::metrics::Metrics;
use crate::ready::Ready;

/// `GET /healthz` (200 while the process lives), `GET /readyz` (200 when work may be sent, else 503 with what is
/// missing) and `GET /metrics`.
pub(crate) fn routes(metrics: Metrics, ready: Ready) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(move || readiness(ready.clone())))
        .route("/metrics", get(move || async move { metrics.render() }))
}

/// Completes the routes of all services: what no route takes is refused with the place and the remedy.
pub(crate) fn closed(routes: Router) -> Router {
    routes.fallback(unknown).method_not_allowed_fallback(other_method)
}

async fn readiness(ready: Ready) -> Response {
    let missing = ready.missing().await;
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "missing": missing}))).into_response()
}

async fn unknown(method: Method, uri: Uri) -> Response {
    let message = format!(
        "nothing is served at {method} {}; correct the path (the pages of the services, services/*/README.md, list them)",
        uri.path()
    );
    refusal(StatusCode::NOT_FOUND, "PATH_UNKNOWN", &message)
}

/// Refuses a method that a path does not take. Routes with layers of their own name it as their
/// `method_not_allowed_fallback` before the layers: put there afterwards it would go around them.
pub async fn other_method(method: Method, uri: Uri) -> Response {
    let message =
        format!("{} does not take {method}; use a method that the header `Allow` names", uri.path());
    refusal(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &message)
}

fn refusal(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"success": false, "error": {"reason": reason, "message": message}});
    (status, Json(body)).into_response()
}
