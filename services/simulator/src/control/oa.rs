//! Official Accounts, and what their fans do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State as Extract};
use kernel::Error;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, read};
use crate::account::{Account, Settings};
use crate::action::{Action, Kind};
use crate::callback::deliver;
use crate::state::Shared;
use crate::token::Tokens;

/// Creates an account, or changes its settings: fans stay, and tokens too unless the secret is another.
pub(super) async fn put_account(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let mut settings: Settings = read(&body)?;
    let key = settings.check()?;
    let mut state = shared.lock();
    if settings.original_id.is_empty() {
        settings.original_id = format!("gh_{}", state.people.text(12).to_lowercase());
    }
    let answer = json!({ "app_id": settings.app_id, "original_id": settings.original_id });
    let before = state.accounts.remove(&settings.app_id);
    let (tokens, fans) = match before {
        None => (Tokens::default(), BTreeMap::new()),
        Some(before) if before.settings.secret == settings.secret => (before.tokens, before.fans),
        Some(before) => (Tokens::default(), before.fans),
    };
    state.accounts.insert(settings.app_id.clone(), Account { settings, key, tokens, fans });
    Ok(Json(answer))
}

/// Does it, delivers the callback, and answers when that has ended.
pub(super) async fn act(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let action: Action = read(&body)?;
    let performed = action.perform(&mut shared.lock(), shared.clock.now())?;
    let delivery = deliver(&shared, &action.app_id, action.action, &performed).await?;
    let mut duplicates = Vec::new();
    let copies = if action.action == Kind::VerifyUrl { 0 } else { action.duplicate };
    for _ in 0..copies {
        duplicates.push(deliver(&shared, &action.app_id, action.action, &performed).await?);
    }
    Ok(Json(json!({ "openid": performed.openid, "delivery": delivery, "duplicates": duplicates })))
}

#[derive(Debug, Deserialize)]
pub(super) struct OfAccount {
    app_id: String,
}

/// Everybody who follows or once did.
pub(super) async fn fans(Extract(shared): Extract<Arc<Shared>>, Query(of): Query<OfAccount>) -> Answer {
    let state = shared.lock();
    let account = state.accounts.get(&of.app_id).ok_or_else(|| Error::not_found("account", &of.app_id))?;
    let fans: Vec<_> = account
        .fans
        .values()
        .map(|fan| {
            json!({
                "openid": fan.openid, "unionid": fan.unionid, "scene": fan.scene,
                "following": fan.followed.is_some(), "since": fan.followed.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "fans": fans })))
}
