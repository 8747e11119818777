//! Somebody's HTTP endpoint: a signed POST with an idempotency key, so that repeating it does no harm.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{Clock, Result, Time};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::json;
use sha2::Sha256;

use super::http::{Http, describe};
use super::{Outgoing, Policy, Surroundings};
use crate::domain::outcome::{Fault, Outcome};
use crate::domain::settings;

/// One endpoint.
pub(crate) struct Webhook {
    settings: settings::Webhook,
    policy: Policy,
    http: Http,
    clock: Clock,
    timeout: Duration,
}

impl Webhook {
    pub(crate) fn new(settings: settings::Webhook, around: &Surroundings) -> Result<Self> {
        let policy = around.policy.narrowed(settings.allow_private);
        let http = Http::new(policy, around)?;
        Ok(Self { settings, policy, http, clock: around.clock.clone(), timeout: around.timeout })
    }

    /// Posts the message.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Outcome {
        let mut request = match self.http.post(&self.settings.url) {
            Ok(request) => request,
            Err(message) => return Outcome::refused("ADDRESS_NOT_ALLOWED", message),
        };
        let body = body(outgoing);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.expose());
        }
        request = request
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &outgoing.idempotency_key);
        if !self.settings.secret.is_empty() {
            request = request.header("X-Guanxi-Signature", sign(self.settings.secret.expose(), &body));
        }
        match request.body(body).send().await {
            Ok(answer) => judge(&answer, self.clock.now()),
            Err(error) => {
                Outcome::retry(if error.is_timeout() { "TIMEOUT" } else { "UNREACHABLE" }, describe(error))
            }
        }
    }

    /// Connects.
    pub(crate) async fn test(&self) -> Result<(), String> {
        let url = self.http.judged(&self.settings.url)?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let addresses = self.policy.resolve(host, port).await?;
        let connected =
            tokio::time::timeout(self.timeout, tokio::net::TcpStream::connect(addresses.as_slice())).await;
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{host}:{port} cannot be reached: {error}")),
            Err(_) => Err(format!("{host}:{port} did not answer within {:?}", self.timeout)),
        }
    }
}

fn body(outgoing: &Outgoing) -> Vec<u8> {
    let identifiers: Vec<_> = outgoing
        .identifiers
        .iter()
        .map(|(namespace, value)| json!({ "namespace": namespace, "value": value }))
        .collect();
    let body = json!({
        "message_id": outgoing.message,
        "idempotency_key": outgoing.idempotency_key,
        "customer_id": outgoing.customer,
        "channel": outgoing.channel,
        "content": outgoing.content,
        "identifiers": identifiers,
        "purpose": outgoing.purpose,
        "time": outgoing.time.to_string(),
    });
    body.to_string().into_bytes()
}

/// Lower-case hex of HMAC-SHA256.
fn sign(secret: &str, body: &[u8]) -> String {
    use std::fmt::Write as _;
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _written = write!(hex, "{byte:02x}").is_ok();
        hex
    })
}

fn judge(answer: &Response, now: Time) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return Outcome::Sent { provider_id: String::new() };
    }
    let fault =
        Fault::new(format!("HTTP_{}", status.as_u16()), status.canonical_reason().unwrap_or_default());
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passing.contains(&status) {
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        return Outcome::Retry { fault, wait: asked.and_then(|asked| retry_after(asked, now)) };
    }
    Outcome::Refused(fault)
}

/// Seconds or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Time::from(date).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        let signature = sign("Jefe", b"what do ya want for nothing?");
        assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = Time::parse("2026-11-21T02:00:00Z").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 02:05:00 GMT", now), Some(Duration::from_secs(300)));
        assert_eq!(retry_after("soon", now), None);
    }
}
