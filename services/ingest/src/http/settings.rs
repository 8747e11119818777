//! What analytics-next asks for before it sends anything.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use serde_json::json;

use super::Web;
use super::tracking::unknown_write_key;

/// Sends the SDK back to where it asked. `protocol` is what the SDK puts before `apiHost`; it is https unless we know
/// better.
pub(super) async fn read(
    State(web): State<Web>,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Response {
    if web.sources.by_write_key(&write_key).is_none() {
        return unknown_write_key().into_response();
    }
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or("localhost");
    let protocol = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or("http");
    let protocol = if protocol.eq_ignore_ascii_case("https") { "https" } else { "http" };
    Json(json!({
        "integrations": {
            "Segment.io": {
                "apiKey": write_key, "apiHost": format!("{host}/v1"), "protocol": protocol, "unbundledIntegrations": [],
            },
        },
        "plan": {"track": {"__default": {"enabled": true}}},
        "edgeFunction": {},
    }))
    .into_response()
}
