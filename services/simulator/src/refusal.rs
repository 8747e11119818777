//! The platform's way to refuse: HTTP 200 with `errcode` and an `errmsg` that ends in a trace id.

use serde_json::{Value, json};

/// An `errcode`; its text follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) i64);

impl Refusal {
    pub(crate) const INVALID_CREDENTIAL: Self = Self(40001);
    pub(crate) const GRANT_TYPE: Self = Self(40002);
    pub(crate) const OPENID: Self = Self(40003);
    pub(crate) const MEDIA_ID: Self = Self(40007);
    pub(crate) const MESSAGE_TYPE: Self = Self(40008);
    pub(crate) const APP_ID: Self = Self(40013);
    pub(crate) const ESCAPES: Self = Self(40033);
    pub(crate) const URL: Self = Self(40066);
    pub(crate) const SECRET: Self = Self(40125);
    pub(crate) const TOKEN_MISSING: Self = Self(41001);
    pub(crate) const APP_ID_MISSING: Self = Self(41002);
    pub(crate) const SECRET_MISSING: Self = Self(41004);
    pub(crate) const OPENID_MISSING: Self = Self(41009);
    pub(crate) const TOKEN_EXPIRED: Self = Self(42001);
    pub(crate) const NEEDS_GET: Self = Self(43001);
    pub(crate) const NEEDS_POST: Self = Self(43002);
    pub(crate) const EMPTY_BODY: Self = Self(44002);
    pub(crate) const EMPTY_CONTENT: Self = Self(44004);
    pub(crate) const CONTENT_SIZE: Self = Self(45002);
    pub(crate) const ARTICLES: Self = Self(45008);
    pub(crate) const QUOTA: Self = Self(45009);
    pub(crate) const OUT_OF_TIME: Self = Self(45015);
    pub(crate) const OUT_OF_COUNT: Self = Self(45047);
    pub(crate) const FORMAT: Self = Self(47001);

    /// The answer's body.
    pub(crate) fn body(self, rid: &str) -> Value {
        json!({ "errcode": self.0, "errmsg": format!("{} rid: {rid}", self.text()) })
    }

    fn text(self) -> &'static str {
        match self.0 {
            -1 => "system error",
            40001 => "invalid credential, access_token is invalid or not latest",
            40002 => "invalid grant_type",
            40003 => "invalid openid",
            40007 => "invalid media_id",
            40008 => "invalid message type",
            40013 => "invalid appid",
            40014 => "invalid access_token",
            40033 => "invalid charset. please check your request, if include \\uxxxx will create fail!",
            40066 => "invalid url",
            40125 => "invalid appsecret",
            40164 => "invalid ip, not in whitelist",
            41001 => "access_token missing",
            41002 => "appid missing",
            41004 => "appsecret missing",
            41009 => "missing openid",
            42001 => "access_token expired",
            43001 => "require GET method",
            43002 => "require POST method",
            43004 => "require subscribe",
            43019 => "require remove blacklist",
            44002 => "empty post data",
            44004 => "empty content",
            45002 => "content size out of limit",
            45008 => "article size out of limit",
            45009 => "reach max api daily quota limit",
            45011 => "api minute-quota reach limit, must slower, retry next minute",
            45015 => "response out of time limit or subscription is canceled",
            45047 => "out of response count limit",
            47001 => "data format error",
            48001 => "api unauthorized",
            48002 => "user block receive message",
            _ => "simulated error",
        }
    }
}
