//! The access token of one account: fetched once for all who need it at the same time, kept until shortly before it
//! expires, refreshed when the platform refuses it.

use std::time::Duration;

use kernel::{Clock, Time};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Trouble, errcode, post, refusal};
use crate::domain::outcome::Outcome;
use crate::domain::settings;
use crate::provider::http::Http;

/// A token is not used in its last minute.
const MARGIN: Duration = Duration::from_secs(60);

/// The token cache.
pub(super) struct Tokens {
    settings: settings::WechatOa,
    clock: Clock,
    /// Held while fetching: everybody else waits for the same token.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    expires: Time,
}

/// A token that the platform refused, and how.
pub(super) struct Stale {
    pub(super) token: String,
    pub(super) code: i64,
}

impl Tokens {
    pub(super) fn new(settings: settings::WechatOa, clock: Clock) -> Self {
        Self { settings, clock, kept: Mutex::new(None) }
    }

    /// A token that should work; never `stale` again, unless the platform insists.
    ///
    /// # Errors
    /// What becomes of a message that has no token.
    pub(super) async fn get(&self, http: &Http, stale: Option<&Stale>) -> Result<String, Outcome> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let usable = |kept: &&Kept| {
            kept.expires.since(now) > MARGIN && stale.is_none_or(|stale| stale.token != kept.token)
        };
        if let Some(kept) = kept.as_ref().filter(usable) {
            return Ok(kept.token.clone());
        }
        // The platform hands out the same stable token again unless forced; an expired one it replaces by itself.
        let held = kept.as_ref().map(|kept| kept.token.as_str());
        let force = stale.is_some_and(|stale| stale.code != 42001 && held == Some(stale.token.as_str()));
        let fetched = self.fetch(http, force).await?;
        let token = fetched.token.clone();
        *kept = Some(fetched);
        Ok(token)
    }

    async fn fetch(&self, http: &Http, force: bool) -> Result<Kept, Outcome> {
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.settings.app_id,
            "secret": self.settings.app_secret.expose(),
            "force_refresh": force,
        });
        let url = format!("{}/cgi-bin/stable_token", self.settings.base_url);
        let answer = match post(http, &url, body.to_string()).await {
            Ok(answer) => answer,
            Err(Trouble::Forbidden(detail)) => return Err(Outcome::refused("ADDRESS_NOT_ALLOWED", detail)),
            // Nothing has been sent yet: trying again is safe whatever happened.
            Err(Trouble::NotDone(code, detail)) => return Err(Outcome::retry(code, detail)),
            Err(Trouble::NoAnswer(detail)) => return Err(Outcome::retry("TOKEN_UNAVAILABLE", detail)),
        };
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        match token {
            Some(token) => {
                let lives = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(7_200);
                let expires = self.clock.now().plus(Duration::from_secs(lives));
                Ok(Kept { token: token.to_owned(), expires })
            }
            None if errcode(&answer) == 0 => {
                Err(Outcome::retry("TOKEN_UNAVAILABLE", "the answer has no token"))
            }
            None => Err(refusal(&answer)),
        }
    }
}
