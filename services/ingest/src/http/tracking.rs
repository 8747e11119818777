//! `POST /v1/{track,t,batch,b,…}`.

use std::net::SocketAddr;

use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, Path, State};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::http::Claim;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use wire::event::Event;

use super::answer::Problem;
use super::{Web, body};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::tracking::{Arrival, Body, Endpoint, Limits, translate};
use crate::intake::{Candidate, Form};

/// Accepts calls. Segment's semantics: 200 for everything that can be read; events that are refused one by one are
/// kept as failed events. 401 for an unknown write key, as `RudderStack` does: losing events silently helps nobody.
pub(super) async fn accept(
    State(web): State<Web>,
    Path(call): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(claim): Extension<Claim>,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Json<Value>, Problem> {
    let endpoint = Endpoint::parse(&call).ok_or_else(|| {
        let message = format!(
            "there is no call `/v1/{call}`; post to /v1/track, identify, page, screen, group, alias, batch or import"
        );
        Problem::new(StatusCode::NOT_FOUND, "UNKNOWN_CALL", message)
    })?;
    let remedy = match endpoint {
        Endpoint::Batch => "send its calls in several batches",
        Endpoint::One(_) => "one call is one event: leave out what is large",
    };
    let bytes = body::read(&web, &claim, &headers, body, remedy).await?;
    let most = web.intake.max_event_bytes();
    let limits = Limits { calls: web.intake.max_batch(), call: most, all: web.limits.inflated };
    let body =
        Body::read(endpoint, &bytes, &limits).map_err(|flaw| Problem::bad(flaw.reason, flaw.message))?;
    let write_key = from_header(&headers).unwrap_or_else(|| body.write_key.clone());
    let source = web.sources.by_write_key(&write_key).ok_or_else(unknown_write_key)?;
    let received = web.clock.now();
    web.count(&source).map_err(|error| Problem::of(&error, received))?;
    let trace_parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or("");
    let trace_parent = if trace_parent.len() <= 64 { trace_parent } else { "" };
    let arrival = Arrival { source: &source, received, peer: Some(peer.ip()), trace_parent };
    let candidates = body.calls().iter().map(|call| candidate(call, &body, &arrival, most)).collect();
    let receipt =
        web.intake.accept(&source, candidates).await.map_err(|error| Problem::of(&error, received))?;
    tracing::debug!(
        source = source.key,
        receipt.accepted,
        receipt.duplicates,
        refused = receipt.rejections.len(),
        "calls"
    );
    Ok(Json(json!({"success": true})))
}

fn candidate(text: &str, body: &Body<'_>, arrival: &Arrival<'_>, most: usize) -> Candidate {
    let unread = |reason, message: String| Candidate {
        event: Event::default(),
        refusal: Some(Refusal::new(reason, message)),
        form: Form::Text(text.to_owned()),
    };
    let size = body.size(text);
    if size > most {
        return unread(Reason::TooLarge, format!("{size} bytes; an event has at most {most}"));
    }
    let Some(call) = body.complete(text) else {
        return unread(
            Reason::NotAnObject,
            "a call is a JSON object, nested less than 128 levels".to_owned(),
        );
    };
    let (event, refusal) = translate(&call, arrival);
    Candidate { event, refusal, form: Form::Call(call) }
}

/// The user name of basic authentication; the password is not looked at.
fn from_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    let write_key = text.split_once(':').map_or(text.as_str(), |(user, _)| user);
    (!write_key.is_empty()).then(|| write_key.to_owned())
}

pub(super) fn unknown_write_key() -> Problem {
    let message = "the write key is not known here: create a source of kind tracking and send the write key it answers \
                   with, as user name of basic authentication or as `writeKey` in the body";
    Problem::new(StatusCode::UNAUTHORIZED, "WRITE_KEY_UNKNOWN", message)
}
