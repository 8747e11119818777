//! HTTP of every process: health and metrics, and what is told where nothing is served.

mod answer;
mod server;

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use kernel::Error;
use serde_json::json;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::ready::Ready;
use crate::rpc::Gate;
use crate::trace;

pub use crate::rpc::Claim;
pub use answer::at_most;
pub(crate) use server::{PATIENCE, serve};

/// `GET /healthz` (200 while the process lives), `GET /readyz` (200 when calls may be sent, else 503; both with what is
/// missing) and `GET /metrics`.
pub(crate) fn routes(metrics: Metrics, ready: Ready) -> Router {
    let scraped = ready.clone();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(move || readiness(ready.clone())))
        .route("/metrics", get(move || async move { metrics.text(&scraped).await }))
}

/// Completes the routes of all services: what no route takes is refused with the place and the remedy.
pub(crate) fn closed(routes: Router) -> Router {
    routes.fallback(unknown).method_not_allowed_fallback(other_method)
}

/// Lets in as much as `gate` does, counts and times it by its route (never by its path, of which there may be any number),
/// and goes on from the trace it carries.
pub(crate) fn observed(routes: Router, metrics: Metrics, gate: Gate, ready: Ready) -> Router {
    routes.layer(from_fn_with_state((metrics, gate), observe)).layer(from_fn_with_state(ready, part))
}

/// Tells clients of a process that is about to stop not to use their connection again: a request that meets its end is
/// lost, and they would not know whether it was taken.
async fn part(State(ready): State<Ready>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if ready.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Of health and metrics: asked for all the time by machines, and no measure of anything.
const OURS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

async fn observe(
    State((metrics, gate)): State<(Metrics, Gate)>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    if OURS.contains(&route.as_str()) {
        return next.run(request).await;
    }
    let (begin, method) = (Instant::now(), request.method().clone());
    let span = trace::request(&method, &route, request.headers_mut());
    let response = match gate.enter_http(request.headers()) {
        // The place is given up with the answer.
        Ok(place) => {
            request.extensions_mut().insert(place.claim(&gate));
            next.run(request).instrument(span.clone()).await
        }
        Err(error) => overloaded(&error),
    };
    span.record("http.response.status_code", response.status().as_u16());
    metrics.request(&route, response.status().as_u16(), begin.elapsed());
    response
}

async fn readiness(ready: Ready) -> Response {
    let missing = ready.missing().await;
    let ready = missing.calls.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let missing: Vec<&String> = missing.all().collect();
    (status, Json(json!({"ready": ready, "missing": missing}))).into_response()
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

/// Refuses what there is no place for, before anything of it is read.
fn overloaded(error: &Error) -> Response {
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, error.reason, &error.message);
    // Whole seconds, and not before the time.
    let wait = error.retry_after.unwrap_or_default();
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn refusal(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"success": false, "error": {"reason": reason, "message": message}});
    (status, Json(body)).into_response()
}
