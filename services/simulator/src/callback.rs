//! Tells the account's server: signs, seals, posts, tries again, and writes down what came of it.
//! Source: platforms.md 1.1–1.3 and 9.3.

use kernel::{Error, Result};
use reqwest::{Response, StatusCode, Url};

use crate::account::{Account, Mode};
use crate::action::{Kind, Performed};
use crate::crypto::sign;
use crate::reply::judge;
use crate::seeded::Seeded;
use crate::state::{Attempt, Delivery, Outcome, Shared};
use crate::xml::Writer;

/// More of an answer than this is not read; no reply is longer.
const ANSWER_BYTES: usize = 64 * 1_024;

/// One signed request.
struct Prepared {
    url: Url,
    /// `None`: the GET that verifies the URL.
    body: Option<String>,
    /// What the GET wants back.
    echo: String,
}

/// Delivers what follows from an action and records it.
///
/// # Errors
/// The account is gone. A delivery that fails is not an error but a [`Delivery`] that says so.
pub(crate) async fn deliver(
    shared: &Shared,
    app_id: &str,
    action: Kind,
    performed: &Performed,
) -> Result<Delivery> {
    let mut delivery = Delivery {
        at: shared.clock.now().to_string(),
        app_id: app_id.to_owned(),
        openid: performed.openid.clone(),
        action,
        xml: performed.xml.clone(),
        attempts: Vec::new(),
        outcome: Outcome::Failed,
        reason: String::new(),
        reply: None,
    };
    let attempts = match action {
        _ if !has_url(shared, app_id) => {
            delivery.reason = format!("account {app_id} has no callback_url");
            0
        }
        // The administrator's page tries once.
        Kind::VerifyUrl => 1,
        _ => shared.limits.callback.attempts,
    };
    for _ in 0..attempts {
        // Every attempt is signed anew, with its own nonce; the message within stays the same.
        let prepared = prepare(shared, app_id, action, performed)?;
        let at = shared.clock.now().to_string();
        match send(shared, &prepared).await {
            Ok(body) => {
                delivery.attempts.push(Attempt { at, status: Some(200), error: String::new() });
                settle(shared, &prepared, &body, &mut delivery)?;
                break;
            }
            Err((status, error)) => {
                delivery.reason.clone_from(&error);
                delivery.attempts.push(Attempt { at, status, error });
            }
        }
    }
    tracing::debug!(app_id, openid = delivery.openid, outcome = ?delivery.outcome, reason = delivery.reason, "delivered");
    shared.lock().deliveries.push(delivery.clone());
    Ok(delivery)
}

fn has_url(shared: &Shared, app_id: &str) -> bool {
    shared.lock().accounts.get(app_id).is_some_and(|account| !account.settings.callback_url.is_empty())
}

fn prepare(shared: &Shared, app_id: &str, action: Kind, performed: &Performed) -> Result<Prepared> {
    let timestamp = shared.clock.now().seconds().to_string();
    let mut state = shared.lock();
    let state = &mut *state;
    let account = state.accounts.get(app_id).ok_or_else(|| Error::not_found("account", app_id))?;
    let noise = &mut state.noise;
    let nonce = noise.digits(10);
    let mut url = Url::parse(&account.settings.callback_url)
        .map_err(|error| Error::internal(format!("callback_url of {app_id}")).caused_by(error))?;
    let signature = sign(&[&account.settings.token, &timestamp, &nonce]);
    let pairs = [("signature", signature.as_str()), ("timestamp", &timestamp), ("nonce", &nonce)];
    url.query_pairs_mut().extend_pairs(pairs);
    if action == Kind::VerifyUrl {
        let echo = noise.digits(19);
        url.query_pairs_mut().append_pair("echostr", &echo);
        return Ok(Prepared { url, body: None, echo });
    }
    url.query_pairs_mut().append_pair("openid", &performed.openid);
    let body = match seal(account, noise, &performed.xml) {
        None => performed.xml.clone(),
        Some(sealed) => {
            let signature = sign(&[&account.settings.token, &timestamp, &nonce, &sealed]);
            url.query_pairs_mut().extend_pairs([("encrypt_type", "aes"), ("msg_signature", &signature)]);
            envelope(account, &performed.xml, &sealed)
        }
    };
    Ok(Prepared { url, body: Some(body), echo: String::new() })
}

/// `None` in plain mode.
fn seal(account: &Account, noise: &mut Seeded, xml: &str) -> Option<String> {
    let key = account.key.as_ref().filter(|_| account.settings.mode != Mode::Plain)?;
    Some(key.seal(&noise.text(16), xml, &account.settings.app_id))
}

fn envelope(account: &Account, xml: &str, sealed: &str) -> String {
    match account.settings.mode {
        // Everything in the open, and once more sealed.
        Mode::Compat => {
            let open = xml.strip_suffix("</xml>").unwrap_or(xml);
            format!("{open}<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>")
        }
        Mode::Plain | Mode::Safe => {
            Writer::new().text("ToUserName", &account.settings.original_id).text("Encrypt", sealed).finish()
        }
    }
}

/// The body of an answer with status 200; anything else is a failed attempt.
async fn send(shared: &Shared, prepared: &Prepared) -> std::result::Result<Vec<u8>, (Option<u16>, String)> {
    let request = match &prepared.body {
        None => shared.client.get(prepared.url.clone()),
        Some(body) => {
            shared.client.post(prepared.url.clone()).header("content-type", "text/xml").body(body.clone())
        }
    };
    // Of real time, also on a virtual clock: a network that is slow is slow in the real world.
    let response = request
        .timeout(shared.limits.callback.timeout)
        .send()
        .await
        .map_err(|error| (None, explain(&error.without_url())))?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err((Some(status.as_u16()), format!("HTTP {}", status.as_u16())));
    }
    read(response).await.map_err(|error| (Some(200), error))
}

/// Stops once an answer is longer than one may be: enough to see that it is.
async fn read(mut response: Response) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while bytes.len() <= ANSWER_BYTES {
        let Some(chunk) = response.chunk().await.map_err(|error| explain(&error.without_url()))? else {
            break;
        };
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() }
}

/// The server answered 200: a wrong answer is the end too, and a failure.
fn settle(shared: &Shared, prepared: &Prepared, body: &[u8], delivery: &mut Delivery) -> Result<()> {
    let judged = match std::str::from_utf8(body) {
        _ if body.len() > ANSWER_BYTES => Err(format!("the answer is longer than {ANSWER_BYTES} bytes")),
        Err(_) => Err("the answer is not UTF-8".to_owned()),
        Ok(body) if prepared.body.is_none() && body == prepared.echo => Ok(None),
        Ok(_) if prepared.body.is_none() => Err(format!("the answer is not the echostr {}", prepared.echo)),
        Ok(body) => {
            let state = shared.lock();
            let app_id = &delivery.app_id;
            let account = state.accounts.get(app_id).ok_or_else(|| Error::not_found("account", app_id))?;
            judge(account, &delivery.openid, body)
        }
    };
    (delivery.outcome, delivery.reason, delivery.reply) = match judged {
        Ok(None) => (Outcome::Acknowledged, String::new(), None),
        Ok(Some(reply)) => (Outcome::Replied, String::new(), Some(reply)),
        Err(reason) => (Outcome::Failed, reason, None),
    };
    Ok(())
}
