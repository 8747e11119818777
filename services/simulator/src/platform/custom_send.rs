//! `/cgi-bin/message/custom/send`: a customer-service message, while a reply window is open.

use axum::http::Method;
use kernel::Time;
use serde_json::{Value, json};

use super::{Call, authorised};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::state::{Sent, State};
use crate::window::Shut;

/// Takes the message or refuses it; only a taken one is charged to a window.
pub(super) fn send(state: &mut State, limits: &Limits, now: Time, call: &Call) -> Result<Value, Refusal> {
    call.wants(&Method::POST, Refusal::NEEDS_POST)?;
    let account = authorised(state, now, call)?;
    let message = call.json()?;
    let openid = text(&message, "touser").ok_or(Refusal::OPENID)?;
    let fan = account.fans.get_mut(openid).ok_or(Refusal::OPENID)?;
    let msgtype = text(&message, "msgtype").ok_or(Refusal::MESSAGE_TYPE)?;
    check(msgtype, &message, limits)?;
    // Who stopped following has no window left.
    fan.windows.spend(&limits.window, now).map_err(|shut| match shut {
        Shut::OutOfTime => Refusal::OUT_OF_TIME,
        Shut::OutOfCount => Refusal::OUT_OF_COUNT,
    })?;
    let (at, app_id) = (now.to_string(), account.settings.app_id.clone());
    let (openid, msgtype) = (openid.to_owned(), msgtype.to_owned());
    state.sent.push(Sent { at, app_id, openid, msgtype, message });
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}

fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn items(of: &Value, field: &str) -> usize {
    of.get(field).and_then(Value::as_array).map_or(0, Vec::len)
}

fn check(msgtype: &str, message: &Value, limits: &Limits) -> Result<(), Refusal> {
    let known = [
        "text",
        "image",
        "voice",
        "video",
        "music",
        "news",
        "mpnews",
        "mpnewsarticle",
        "msgmenu",
        "wxcard",
        "miniprogrampage",
    ];
    if !known.contains(&msgtype) {
        return Err(Refusal::MESSAGE_TYPE);
    }
    let content = message.get(msgtype).filter(|content| content.is_object()).ok_or(Refusal::EMPTY_CONTENT)?;
    match msgtype {
        "text" => match text(content, "content") {
            None => Err(Refusal::EMPTY_CONTENT),
            Some(text) if text.len() > limits.message.text_bytes => Err(Refusal::CONTENT_SIZE),
            Some(_) => Ok(()),
        },
        "image" | "voice" | "video" | "mpnews" => {
            text(content, "media_id").map(drop).ok_or(Refusal::MEDIA_ID)
        }
        "news" => match items(content, "articles") {
            0 => Err(Refusal::EMPTY_CONTENT),
            1 => Ok(()),
            _ => Err(Refusal::ARTICLES),
        },
        "msgmenu" if items(content, "list") == 0 => Err(Refusal::EMPTY_CONTENT),
        _ => Ok(()),
    }
}
