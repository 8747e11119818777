//! The platform side: `/cgi-bin/*` as the real host serves it, to the connector.
//!
//! Like the real one it reads bodies by their content whatever Content-Type says, and answers JSON as
//! `text/plain`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State as Extract};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use kernel::Time;
use serde_json::Value;

use crate::account::Account;
use crate::fault::{self, Effect};
use crate::refusal::Refusal;
use crate::state::{Requested, Shared, State};
use crate::token::Standing;

mod custom_send;
mod token;
mod user;

/// Longest body kept in the log, in characters.
const LOGGED: usize = 16 * 1_024;

/// A request, taken apart.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

impl Call {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn wants(&self, method: &Method, otherwise: Refusal) -> Result<(), Refusal> {
        if self.method == method { Ok(()) } else { Err(otherwise) }
    }

    /// The body as a JSON object. `\uXXXX` escapes are refused, as by the real platform.
    fn json(&self) -> Result<Value, Refusal> {
        let text = std::str::from_utf8(&self.body).map_err(|_| Refusal::FORMAT)?;
        if text.trim().is_empty() {
            return Err(Refusal::EMPTY_BODY);
        }
        if has_unicode_escape(text) {
            return Err(Refusal::ESCAPES);
        }
        serde_json::from_str::<Value>(text).ok().filter(Value::is_object).ok_or(Refusal::FORMAT)
    }
}

fn has_unicode_escape(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        // A backslash takes the next byte with it, so that `\\u` is a backslash and a u.
        if byte == b'\\' && bytes.next() == Some(b'u') {
            return true;
        }
    }
    false
}

/// Any request below `/cgi-bin/`.
pub(crate) async fn serve(
    Extract(shared): Extract<Arc<Shared>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let query = Query::try_from_uri(&uri).map(|Query(query)| query).unwrap_or_default();
    let call = Call { method, path: uri.path().to_owned(), query, body };
    let (app_id, fault) = {
        let mut state = shared.lock();
        let app_id = app_of(&state, &call);
        let fault = fault::take(&mut state.faults, &app_id, &call.path);
        (app_id, fault)
    };
    let (status, answer) = match fault {
        None => (StatusCode::OK, dispatch(&shared, &call)),
        Some(fault) => {
            let done = fault.processed.then(|| dispatch(&shared, &call));
            spoil(&shared, &call, fault.effect, done).await
        }
    };
    record(&shared, &call, app_id, status, &answer);
    (status, [(header::CONTENT_TYPE, "text/plain")], answer).into_response()
}

/// The answer under a fault; `done`: the true one, when the request was processed already.
async fn spoil(shared: &Shared, call: &Call, effect: Effect, done: Option<String>) -> (StatusCode, String) {
    match effect {
        Effect::Errcode(code) => {
            let rid = shared.lock().noise.rid();
            (StatusCode::OK, Refusal(code).body(&rid).to_string())
        }
        Effect::Status(status) => {
            (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), String::new())
        }
        Effect::InvalidJson => (StatusCode::OK, r#"{"errcode":0,"errmsg":"o"#.to_owned()),
        Effect::Delay(delay) => {
            tokio::time::sleep(delay).await;
            (StatusCode::OK, done.unwrap_or_else(|| dispatch(shared, call)))
        }
    }
}

fn dispatch(shared: &Shared, call: &Call) -> String {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let answer = match call.path.as_str() {
        "/cgi-bin/token" => token::fetch(&mut state, &shared.limits, now, call),
        "/cgi-bin/stable_token" => token::stable(&mut state, &shared.limits, now, call),
        "/cgi-bin/message/custom/send" => custom_send::send(&mut state, &shared.limits, now, call),
        "/cgi-bin/user/info" => user::info(&mut state, now, call),
        "/cgi-bin/user/get" => user::list(&mut state, now, call),
        _ => Err(Refusal::URL),
    };
    answer.unwrap_or_else(|refusal| refusal.body(&state.noise.rid())).to_string()
}

/// The account whose access token the call carries.
fn authorised<'a>(state: &'a mut State, now: Time, call: &Call) -> Result<&'a mut Account, Refusal> {
    let token = call.query("access_token").ok_or(Refusal::TOKEN_MISSING)?;
    let account = state
        .accounts
        .values_mut()
        .find(|account| account.tokens.issued(token))
        .ok_or(Refusal::INVALID_CREDENTIAL)?;
    match account.tokens.standing(token, now) {
        Standing::Valid => Ok(account),
        Standing::Expired => Err(Refusal::TOKEN_EXPIRED),
        Standing::Invalid => Err(Refusal::INVALID_CREDENTIAL),
    }
}

/// The app id a call speaks for, whether or not it may; empty when it does not tell.
fn app_of(state: &State, call: &Call) -> String {
    if let Some(token) = call.query("access_token") {
        let owner = state.accounts.values().find(|account| account.tokens.issued(token));
        return owner.map(|account| account.settings.app_id.clone()).unwrap_or_default();
    }
    let named = || call.json().ok()?.get("appid")?.as_str().map(str::to_owned);
    call.query("appid").map(str::to_owned).or_else(named).unwrap_or_default()
}

fn record(shared: &Shared, call: &Call, app_id: String, status: StatusCode, answer: &str) {
    let requested = Requested {
        at: shared.clock.now().to_string(),
        app_id,
        method: call.method.to_string(),
        path: call.path.clone(),
        query: call.query.clone(),
        body: String::from_utf8_lossy(&call.body).chars().take(LOGGED).collect(),
        status: status.as_u16(),
        answer: answer.chars().take(LOGGED).collect(),
    };
    shared.lock().log.push(requested);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicode_escapes_are_told_from_backslashes() {
        assert!(has_unicode_escape(r#"{"a":"\u4f60"}"#));
        assert!(has_unicode_escape(r#"{"a":"\\\u4f60"}"#));
        assert!(!has_unicode_escape(r#"{"a":"C:\\users"}"#));
        assert!(!has_unicode_escape("{\"a\":\"你好\\n\"}"));
        assert!(!has_unicode_escape("\\"));
    }
}
