//! HTTP of every process: health and metrics.

use axum::Router;
use axum::routing::get;

use crate::metrics::Metrics;

/// `GET /healthz` (200 while the process serves) and `GET /metrics`.
pub(crate) fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(move || async move { metrics.render() }))
}
