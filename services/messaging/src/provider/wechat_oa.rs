//! A WeChat Official Account: customer-service messages (platforms.md 1.8) with a shared access token (1.7).

mod token;

use kernel::Result;
use serde_json::{Value, json};

use super::http::{Http, describe};
use super::{Outgoing, Surroundings};
use crate::domain::outcome::Outcome;
use crate::domain::settings;
use token::Tokens;

/// The token is wrong or has expired: worth one refresh (platforms.md 1.16).
const TOKEN_CODES: [i64; 3] = [40001, 40014, 42001];
/// Busy, and frequency limits: worth another try later.
const PASSING_CODES: [i64; 3] = [-1, 45009, 45011];
/// The reply window is closed or used up.
pub(crate) const WINDOW_CODES: [&str; 2] = ["WECHAT_45015", "WECHAT_45047"];

/// Bytes of an answer that are read: the platform's have some hundred, and whoever sets up a channel names the address.
const MAX_ANSWER: usize = 64 << 10;

/// One account.
pub(crate) struct WechatOa {
    base_url: String,
    http: Http,
    tokens: Tokens,
}

/// Why a call has no answer to act on.
enum Trouble {
    /// The address may not be reached.
    Forbidden(String),
    /// Did not reach the platform, or the platform said that it is unwell: certainly not done.
    NotDone(String, String),
    /// May have been done.
    NoAnswer(String),
}

impl WechatOa {
    pub(crate) fn new(settings: settings::WechatOa, around: &Surroundings) -> Result<Self> {
        let http = Http::new(around.policy, around)?;
        let base_url = settings.base_url.clone();
        Ok(Self { base_url, tokens: Tokens::new(settings, around.clock.clone()), http })
    }

    /// Sends the text, with the token refreshed once when the platform does not take it.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Outcome {
        let text = speakable(&outgoing.content.text);
        if text.is_empty() {
            return Outcome::refused("CONTENT_EMPTY", "WeChat needs a text");
        }
        // serde_json writes raw UTF-8: the platform refuses \uXXXX (40033).
        let body =
            json!({ "touser": outgoing.address, "msgtype": "text", "text": { "content": text } }).to_string();
        let mut stale = None;
        loop {
            let token = match self.tokens.get(&self.http, stale.as_ref()).await {
                Ok(token) => token,
                Err(outcome) => return outcome,
            };
            let answer = match self.post("/cgi-bin/message/custom/send", &token, &body).await {
                Ok(answer) => answer,
                Err(Trouble::Forbidden(detail)) => return Outcome::refused("ADDRESS_NOT_ALLOWED", detail),
                Err(Trouble::NotDone(code, detail)) => return Outcome::retry(code, detail),
                Err(Trouble::NoAnswer(detail)) => return Outcome::unknown(detail),
            };
            match errcode(&answer) {
                code if TOKEN_CODES.contains(&code) && stale.is_none() => {
                    stale = Some(token::Stale { token, code })
                }
                0 => return Outcome::Sent { provider_id: provider_id(&answer) },
                _ => return refusal(&answer),
            }
        }
    }

    /// Fetches a token.
    pub(crate) async fn test(&self) -> Result<(), String> {
        match self.tokens.get(&self.http, None).await {
            Ok(_) => Ok(()),
            Err(Outcome::Retry { fault, .. } | Outcome::Refused(fault) | Outcome::Unknown(fault)) => {
                Err(format!("{}: {}", fault.code, fault.detail))
            }
            Err(Outcome::Sent { .. }) => Ok(()),
        }
    }

    async fn post(&self, path: &str, token: &str, body: &str) -> Result<Value, Trouble> {
        let url = format!("{}{path}?access_token={token}", self.base_url);
        post(&self.http, &url, body.to_owned()).await
    }
}

async fn post(http: &Http, url: &str, body: String) -> Result<Value, Trouble> {
    let request = http.post(url).map_err(Trouble::Forbidden)?;
    read(request.header("content-type", "application/json").body(body).send().await).await
}

/// Reads an answer, whatever its Content-Type says: the platform sends JSON as text/plain.
async fn read(answer: Result<reqwest::Response, reqwest::Error>) -> Result<Value, Trouble> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => {
            return Err(Trouble::NotDone("UNREACHABLE".to_owned(), describe(error)));
        }
        Err(error) => return Err(Trouble::NoAnswer(describe(error))),
    };
    let status = answer.status();
    if !status.is_success() {
        return Err(Trouble::NotDone(format!("HTTP_{}", status.as_u16()), status.to_string()));
    }
    let bytes = chassis::http::at_most(answer, MAX_ANSWER).await;
    let bytes = bytes.map_err(|error| Trouble::NoAnswer(describe(error)))?;
    let bytes =
        bytes.ok_or_else(|| Trouble::NoAnswer(format!("the answer has more than {MAX_ANSWER} bytes")))?;
    serde_json::from_slice(&bytes).map_err(|_| Trouble::NoAnswer("the answer is not JSON".to_owned()))
}

/// 0 when the answer has none.
fn errcode(answer: &Value) -> i64 {
    answer.get("errcode").and_then(Value::as_i64).unwrap_or(0)
}

fn provider_id(answer: &Value) -> String {
    answer
        .get("msgid")
        .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
        .unwrap_or_default()
}

/// What the platform said, as an outcome; the text carries its `rid` for their support.
fn refusal(answer: &Value) -> Outcome {
    let code = errcode(answer);
    let detail = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
    let name = format!("WECHAT_{code}");
    if PASSING_CODES.contains(&code) || TOKEN_CODES.contains(&code) {
        Outcome::retry(name, detail)
    } else {
        Outcome::refused(name, detail)
    }
}

/// Control characters could only be written as \uXXXX, which the platform refuses.
fn speakable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
