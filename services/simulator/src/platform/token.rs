//! `/cgi-bin/token` and `/cgi-bin/stable_token`.

use axum::http::Method;
use kernel::Time;
use serde_json::{Value, json};

use super::Call;
use crate::account::Account;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::seeded::Seeded;
use crate::state::State;
use crate::token::Issued;

/// GET with the credentials in the query.
pub(super) fn fetch(state: &mut State, limits: &Limits, now: Time, call: &Call) -> Result<Value, Refusal> {
    call.wants(&Method::GET, Refusal::NEEDS_GET)?;
    let (account, noise) =
        authenticate(state, call.query("grant_type"), call.query("appid"), call.query("secret"))?;
    Ok(answer(account.tokens.fetch(&limits.token, now, noise)))
}

/// POST with the credentials in a JSON body.
pub(super) fn stable(state: &mut State, limits: &Limits, now: Time, call: &Call) -> Result<Value, Refusal> {
    call.wants(&Method::POST, Refusal::NEEDS_POST)?;
    let body = call.json()?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let force = match body.get("force_refresh") {
        None | Some(Value::Null) => false,
        Some(value) => value.as_bool().ok_or(Refusal::FORMAT)?,
    };
    let (account, noise) = authenticate(state, field("grant_type"), field("appid"), field("secret"))?;
    if force {
        account.tokens.force(&limits.stable_token, now, noise).map(answer).ok_or(Refusal::QUOTA)
    } else {
        Ok(answer(account.tokens.stable(&limits.stable_token, now, noise)))
    }
}

fn authenticate<'a>(
    state: &'a mut State,
    grant_type: Option<&str>,
    app_id: Option<&str>,
    secret: Option<&str>,
) -> Result<(&'a mut Account, &'a mut Seeded), Refusal> {
    if grant_type != Some("client_credential") {
        return Err(Refusal::GRANT_TYPE);
    }
    let app_id = app_id.ok_or(Refusal::APP_ID_MISSING)?;
    let secret = secret.ok_or(Refusal::SECRET_MISSING)?;
    let account = state.accounts.get_mut(app_id).ok_or(Refusal::APP_ID)?;
    if account.settings.secret != secret {
        return Err(Refusal::SECRET);
    }
    Ok((account, &mut state.noise))
}

fn answer((token, expires_in): Issued) -> Value {
    json!({ "access_token": token, "expires_in": expires_in })
}
