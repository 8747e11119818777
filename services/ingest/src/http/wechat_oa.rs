//! `/callbacks/wechat_oa/{source key}`: GET verifies the address, POST brings messages and events.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body as HttpBody;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use chassis::http::Claim;
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
    Extension(claim): Extension<Claim>,
    headers: HeaderMap,
    body: HttpBody,
) -> Response {
    let bytes = body::read(&web, &claim, &headers, body, "no message of the platform is so long").await;
    let taken = async { take(&web, &key, &signed, &headers, &bytes?).await };
    match taken.await {
        Ok(()) => DONE.into_response(),
        Err(problem) => problem.plain(),
    }
}

async fn take(
    web: &Web,
    key: &str,
    signed: &Signed,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<(), Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_a_message("the body is not UTF-8"))?;
    let sealed = matches!(signed.encrypt_type.as_str(), "aes");
    let (source, document) = if sealed {
        // The outer document is not proven by anything yet: only its `Encrypt` is looked at.
        let outer = read(text)?;
        let source = signed.sealed_source(web, key, &outer.text("Encrypt"))?;
        let source = in_its_mode(source, sealed)?;
        let message = open(&source, &outer.text("Encrypt"))?;
        (source, read(&message)?)
    } else {
        (in_its_mode(signed.source(web, key)?, sealed)?, read(text)?)
    };
    let source = signed.fresh(web, source)?;
    let trace_parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or("");
    let event = event::translate(&document, &source, trace_parent);
    let candidate = Candidate { event, refusal: None, form: Form::Event };
    let taken = web.intake.accept(&source, vec![candidate]).await;
    taken.map(drop).map_err(|error| Problem::of(&error, web.clock.now()))
}

fn read(text: &str) -> Result<Document, Problem> {
    Document::read(text).map_err(|message| not_a_message(&message))
}

fn not_a_message(message: &str) -> Problem {
    let message = format!("{message}; this address takes what the platform posts: a message as XML or JSON");
    Problem::bad("NOT_A_MESSAGE", message)
}

/// A source takes what its mode says: who seals messages must not be spoken for by others who do not.
fn in_its_mode(source: Arc<Source>, sealed: bool) -> Result<Arc<Source>, Problem> {
    let mode = source.mode();
    if mode.takes(sealed) {
        return Ok(source);
    }
    let (came, other) = if sealed { ("sealed", "safe or compat") } else { ("unsealed", "compat or plain") };
    let message = format!(
        "source `{}` is in mode {} and takes no {came} messages; set the same mode here (setting `mode`: {other}) and on \
         the platform's page (消息加解密方式)",
        source.key,
        mode.name()
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "MODE_REFUSED", message))
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
        None => format!("source `{}` has no encoding_aes_key; set it", source.key),
    }))
}

impl Signed {
    /// The source whose token made `signature`.
    fn source(&self, web: &Web, key: &str) -> Result<Arc<Source>, Problem> {
        self.find(web, key, ("signature", &self.signature), &[&self.timestamp, &self.nonce])
    }

    /// The source whose token made `msg_signature`, which covers the ciphertext.
    fn sealed_source(&self, web: &Web, key: &str, sealed: &str) -> Result<Arc<Source>, Problem> {
        let given = ("msg_signature", self.msg_signature.as_str());
        self.find(web, key, given, &[&self.timestamp, &self.nonce, sealed])
    }

    fn find(
        &self,
        web: &Web,
        key: &str,
        (name, given): (&str, &str),
        parts: &[&str],
    ) -> Result<Arc<Source>, Problem> {
        let candidates = web.sources.callbacks(key);
        if candidates.is_empty() {
            let message = format!(
                "no source of kind wechat_oa has the key `{key}`; create it, or correct the URL on the platform"
            );
            return Err(Problem::new(StatusCode::NOT_FOUND, "SOURCE_UNKNOWN", message));
        }
        let needed = [(name, given), ("timestamp", &self.timestamp), ("nonce", &self.nonce)];
        let missing: Vec<&str> =
            needed.into_iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect();
        if !missing.is_empty() {
            let message = format!(
                "the address has no parameter {}; the platform signs what it sends, and nobody else is heard here",
                missing.join(", ")
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, "SIGNATURE_MISSING", message));
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
