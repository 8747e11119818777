//! What HTTP clients are told.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::{Error, Kind, Time};
use serde_json::json;

/// A request that is not done: status, a stable code, and the remedy for people.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// Seconds after which it may be sent again, and the moment that is.
    retry: Option<(u64, Time)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), retry: None }
    }

    /// Segment answers 400 both for what is too large and for what is no JSON; its SDKs never send that again.
    pub(super) fn bad(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, message)
    }

    /// An error from within, at `now`.
    pub(super) fn of(error: &Error, now: Time) -> Self {
        // Whole seconds, and not before the time.
        let wait = error.retry_after.unwrap_or(Duration::from_secs(1));
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        let retry = Some((seconds, now.plus(Duration::from_secs(seconds))));
        match error.kind {
            Kind::Exhausted => {
                Self { retry, ..Self::new(StatusCode::TOO_MANY_REQUESTS, error.reason, &error.message) }
            }
            kind if kind.retryable() => {
                Self { retry, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error.reason, &error.message) }
            }
            Kind::Internal => {
                tracing::error!(error = %chassis::status::chain(error), "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.reason, "internal error")
            }
            _ => Self::bad(error.reason, &error.message),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some((seconds, reset)) = self.retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            headers.insert("x-ratelimit-reset", HeaderValue::from(reset.seconds()));
        }
        headers
    }

    /// For people and platforms that read plain text.
    pub(super) fn plain(self) -> Response {
        (self.status, self.headers(), format!("{}: {}\n", self.reason, self.message)).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"success": false, "error": {"reason": self.reason, "message": self.message}});
        (self.status, self.headers(), Json(body)).into_response()
    }
}
