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
use chassis::limit::{Limiter, WorkspaceCalls, too_often};
use kernel::{Clock, Result, Workspace};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::config::{Config, duration};
use crate::domain::source::{self, Source};
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
    /// By workspace and key of the source.
    write_keys: Arc<Limiter<(Workspace, String)>>,
    workspaces: WorkspaceCalls,
}

impl Web {
    /// Counts a call with the write key of `source`. Callbacks are not counted: only the platform itself can sign them, and
    /// what is refused three times it does not send again.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] with the time to wait.
    fn count(&self, source: &Source) -> Result<()> {
        if source.key == source::DEV && source.created_at == kernel::Time(0) {
            return Ok(());
        }
        let early = |wait| too_often("this write key comes more often", "ingest.write_key", wait);
        self.write_keys.count(&(source.workspace.clone(), source.key.clone())).map_err(early)?;
        self.workspaces.count(&source.workspace)
    }
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
        limits: body::Limits {
            sent: config.http.max_body_bytes,
            inflated: config.http.max_inflated_bytes,
            patience: duration("http.body_timeout", &config.http.body_timeout)?,
        },
        max_age: duration("callbacks.max_age", &config.callbacks.max_age)?,
        write_keys: Arc::new(Limiter::new(config.write_key, &cx.clock)),
        workspaces: cx.calls.clone(),
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
