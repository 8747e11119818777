//! `/callbacks/wechat_oa/{source key}`: GET verifies the address, POST brings messages and events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use kernel::Time;
use serde::Deserialize;

use super::answer::Problem;
use super::{Web, body};
use crate::domain::source::Source;
use crate::domain::wechat::document::Document;
use crate::domain::wechat::envelope::EnvelopeKey;
use crate::domain::wechat::{event, signature};
use crate::intake::{Candidate, Form};

/// Tells the platform that nothing more comes.
const DONE: &str = "success";

/// What the platform puts into the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Signed {
    signature: String,
    timestamp: String,
    nonce: String,
    echostr: String,
    encrypt_type: String,
    msg_signature: String,
}

/// Answers the `echostr` to whoever knows the token.
pub(super) async fn verify(
    State(web): State<Web>,
    Path(key): Path<String>,
    Query(signed): Query<Signed>,
) -> Response {
    let found = signed.source(&web, &key).and_then(|source| signed.fresh(&web, source));
    match found {
        Ok(_) => signed.echostr.into_response(),
        Err(problem) => problem.plain(),
    }
}

/// Takes a message. `success` means that it is durable; whatever else is answered, the platform sends it again.
pub(super) async fn accept(
    State(web): State<Web>,
    Path(key): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
    body: HttpBody,
) -> Response {
    match take(&web, &key, &signed, &headers, body).await {
        Ok(()) => DONE.into_response(),
        Err(problem) => problem.plain(),
    }
}

async fn take(
    web: &Web,
    key: &str,
    signed: &Signed,
    headers: &HeaderMap,
    body: HttpBody,
) -> Result<(), Problem> {
    let bytes = body::read(headers, body, web.limits).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::bad("NOT_A_MESSAGE", "the body is not UTF-8"))?;
    let sealed = matches!(signed.encrypt_type.as_str(), "aes");
    let (source, document) = if sealed {
        // The outer document is not proven by anything yet: only its `Encrypt` is looked at.
        let outer = read(text)?;
        let source = signed.sealed_source(web, key, &outer.text("Encrypt"))?;
        let message = open(&source, &outer.text("Encrypt"))?;
        (source, read(&message)?)
    } else {
        (signed.source(web, key)?, read(text)?)
    };
    let source = signed.fresh(web, source)?;
    let trace_parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or("");
    let event = event::translate(&document, &source, trace_parent);
    let candidate = Candidate { event, refusal: None, form: Form::Event };
    let taken = web.intake.accept(&source, vec![candidate]).await;
    taken.map(drop).map_err(|error| Problem::of(&error, web.clock.now()))
}

fn read(text: &str) -> Result<Document, Problem> {
    Document::read(text).map_err(|message| Problem::bad("NOT_A_MESSAGE", message))
}

/// Opens an envelope with the key or, for the time after it was changed, with the previous one.
fn open(source: &Source, sealed: &str) -> Result<String, Problem> {
    let refused = |message: String| Problem::new(StatusCode::FORBIDDEN, "ENVELOPE_REFUSED", message);
    let keys = ["encoding_aes_key", "encoding_aes_key_previous"].map(|name| source.setting(name));
    let mut flaw = None;
    for key in keys.into_iter().filter(|key| !key.is_empty()) {
        match EnvelopeKey::parse(key).and_then(|key| key.open(sealed, source.setting("app_id"))) {
            Ok(message) => return Ok(message),
            // That of the present key says more.
            Err(wrong) => flaw = flaw.or(Some(wrong)),
        }
    }
    Err(refused(match flaw {
        Some(flaw) => format!(
            "{flaw}; compare app_id and encoding_aes_key of source `{}` with the platform's developer page",
            source.key
        ),
        None => format!("source `{}` has no encoding_aes_key; set it, or choose plain mode", source.key),
    }))
}

impl Signed {
    /// The source whose token made `signature`.
    fn source(&self, web: &Web, key: &str) -> Result<Arc<Source>, Problem> {
        self.find(web, key, &self.signature, &[&self.timestamp, &self.nonce])
    }

    /// The source whose token made `msg_signature`, which covers the ciphertext.
    fn sealed_source(&self, web: &Web, key: &str, sealed: &str) -> Result<Arc<Source>, Problem> {
        self.find(web, key, &self.msg_signature, &[&self.timestamp, &self.nonce, sealed])
    }

    fn find(&self, web: &Web, key: &str, given: &str, parts: &[&str]) -> Result<Arc<Source>, Problem> {
        let candidates = web.sources.callbacks(key);
        if candidates.is_empty() {
            let message =
                "no source of kind wechat_oa has this key; create it, or correct the URL on the platform";
            return Err(Problem::new(StatusCode::NOT_FOUND, "SOURCE_UNKNOWN", message));
        }
        let signed_by = |source: &Arc<Source>| {
            let all: Vec<&str> =
                std::iter::once(source.setting("token")).chain(parts.iter().copied()).collect();
            signature::is_valid(given, &all)
        };
        candidates.into_iter().find(signed_by).ok_or_else(|| {
            let message =
                "the signature does not fit; the token of the source must be the one on the platform's page";
            Problem::new(StatusCode::FORBIDDEN, "SIGNATURE_REFUSED", message)
        })
    }

    /// Refuses a signature of another time: somebody may have kept it.
    fn fresh(&self, web: &Web, source: Arc<Source>) -> Result<Arc<Source>, Problem> {
        if web.max_age.is_zero() {
            return Ok(source);
        }
        let now = web.clock.now();
        let signed = self.timestamp.parse().map_or(Time::MIN, Time::from_seconds);
        let apart: Duration = now.since(signed).max(signed.since(now));
        if apart <= web.max_age {
            return Ok(source);
        }
        let message =
            "the timestamp is too far from now; set this machine's clock, or allow more by callbacks.max_age";
        Err(Problem::new(StatusCode::FORBIDDEN, "SIGNATURE_STALE", message))
    }
}
