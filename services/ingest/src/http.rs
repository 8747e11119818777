//! HTTP: the tracking API and platform callbacks.

mod answer;
mod body;
mod settings;
mod tracking;
mod wechat_oa;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use chassis::Context;
use kernel::{Clock, Result};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::config::{Config, duration};
use crate::intake::Intake;
use crate::sources::Sources;

/// What handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    intake: Arc<Intake>,
    sources: Arc<Sources>,
    clock: Clock,
    limits: body::Limits,
    max_age: Duration,
}

/// The routes.
///
/// # Errors
/// When the configuration is wrong.
pub(crate) fn routes(
    config: &Config,
    cx: &Context,
    intake: Arc<Intake>,
    sources: Arc<Sources>,
) -> Result<Router> {
    let web = Web {
        intake,
        sources,
        clock: cx.clock.clone(),
        limits: body::Limits { sent: config.http.max_body_bytes, inflated: config.http.max_inflated_bytes },
        max_age: duration("callbacks.max_age", &config.callbacks.max_age)?,
    };
    // Pages of any site may send. `*` would leave the authorization header out.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([http::Method::GET, http::Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(Duration::from_secs(86_400));
    let open = Router::new()
        .route("/v1/{call}", post(tracking::accept))
        .route("/v1/projects/{write_key}/settings", get(settings::read))
        .method_not_allowed_fallback(chassis::http::other_method)
        .layer(cors);
    let callbacks =
        Router::new().route("/callbacks/wechat_oa/{source}", get(wechat_oa::verify).post(wechat_oa::accept));
    Ok(open.merge(callbacks).with_state(web))
}
