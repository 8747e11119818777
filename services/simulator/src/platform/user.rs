//! `/cgi-bin/user/info` and `/cgi-bin/user/get`.

use std::ops::Bound;

use axum::http::Method;
use kernel::Time;
use serde_json::{Value, json};

use super::{Call, authorised};
use crate::refusal::Refusal;
use crate::state::State;

/// Openids on one page.
const PAGE: usize = 10_000;

/// One user. Who does not follow shows only that, and the unionid.
pub(super) fn info(state: &mut State, now: Time, call: &Call) -> Result<Value, Refusal> {
    call.wants(&Method::GET, Refusal::NEEDS_GET)?;
    let account = authorised(state, now, call)?;
    let openid = call.query("openid").ok_or(Refusal::OPENID_MISSING)?;
    let fan = account.fans.get(openid).ok_or(Refusal::OPENID)?;
    let mut answer = match fan.followed {
        None => json!({ "subscribe": 0, "openid": fan.openid }),
        Some(followed) => json!({
            "subscribe": 1, "openid": fan.openid, "language": "zh_CN", "subscribe_time": followed.seconds(),
            "remark": "", "groupid": 0, "tagid_list": [], "subscribe_scene": fan.subscribe_scene(),
            // A scene that is a number is a `scene_id`, any other a `scene_str`.
            "qr_scene": fan.scene.parse::<u32>().unwrap_or(0),
            "qr_scene_str": if fan.scene.parse::<u32>().is_ok() { "" } else { &fan.scene },
        }),
    };
    if let Some(object) = answer.as_object_mut().filter(|_| !fan.unionid.is_empty()) {
        object.insert("unionid".to_owned(), fan.unionid.clone().into());
    }
    Ok(answer)
}

/// Who follows, in pages.
pub(super) fn list(state: &mut State, now: Time, call: &Call) -> Result<Value, Refusal> {
    call.wants(&Method::GET, Refusal::NEEDS_GET)?;
    let account = authorised(state, now, call)?;
    let from = match call.query("next_openid") {
        None => Bound::Unbounded,
        Some(openid) if account.fans.contains_key(openid) => Bound::Excluded(openid),
        Some(_) => return Err(Refusal::OPENID),
    };
    let total = account.fans.values().filter(|fan| fan.followed.is_some()).count();
    let page: Vec<&str> = account
        .fans
        .range::<str, _>((from, Bound::Unbounded))
        .filter(|(_, fan)| fan.followed.is_some())
        .take(PAGE)
        .map(|(openid, _)| openid.as_str())
        .collect();
    let next = page.last().copied().unwrap_or_default();
    Ok(if page.is_empty() {
        json!({ "total": total, "count": 0, "next_openid": next })
    } else {
        json!({ "total": total, "count": page.len(), "data": { "openid": page }, "next_openid": next })
    })
}
