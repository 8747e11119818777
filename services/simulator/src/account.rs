//! An Official Account and its fans, as the platform knows them.

use std::collections::BTreeMap;

use kernel::{Error, Result, Time, Violation};
use serde::{Deserialize, Serialize};

use crate::crypto::EnvelopeKey;
use crate::token::Tokens;
use crate::window::Windows;

/// How callbacks are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Open XML.
    #[default]
    Plain,
    /// Open XML and the same again sealed.
    Compat,
    /// Sealed only.
    Safe,
}

/// What is set on the account's page at the platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) app_id: String,
    pub(crate) secret: String,
    /// Signs callbacks.
    pub(crate) token: String,
    /// 43 characters; needed unless the mode is plain.
    #[serde(default)]
    pub(crate) aes_key: String,
    #[serde(default)]
    pub(crate) mode: Mode,
    /// `gh_…`; made up when absent.
    #[serde(default)]
    pub(crate) original_id: String,
    /// Where callbacks go; without it every delivery fails.
    #[serde(default)]
    pub(crate) callback_url: String,
    /// Bound to an open-platform account: its fans have a unionid.
    #[serde(default)]
    pub(crate) open_platform: bool,
}

impl Settings {
    /// The key of the envelope, `None` in plain mode.
    ///
    /// # Errors
    /// A field that cannot be used.
    pub(crate) fn check(&self) -> Result<Option<EnvelopeKey>> {
        let mut wrong = Vec::new();
        for (field, value) in [("app_id", &self.app_id), ("secret", &self.secret), ("token", &self.token)] {
            if value.is_empty() {
                wrong.push(Violation { field: field.into(), description: "is empty".into() });
            }
        }
        if !self.callback_url.is_empty() && reqwest::Url::parse(&self.callback_url).is_err() {
            let description = format!("`{}` is not a URL; write http://127.0.0.1:7780/…", self.callback_url);
            wrong.push(Violation { field: "callback_url".into(), description });
        }
        let key = match self.mode {
            Mode::Plain if self.aes_key.is_empty() => None,
            _ => EnvelopeKey::parse(&self.aes_key)
                .map_err(|description| wrong.push(Violation { field: "aes_key".into(), description }))
                .ok(),
        };
        if wrong.is_empty() { Ok(key) } else { Err(Error::violations(wrong)) }
    }
}

/// One account.
pub(crate) struct Account {
    pub(crate) settings: Settings,
    /// Present whenever the mode seals.
    pub(crate) key: Option<EnvelopeKey>,
    pub(crate) tokens: Tokens,
    /// By openid.
    pub(crate) fans: BTreeMap<String, Fan>,
}

/// Somebody who follows, or once did.
#[derive(Clone, Debug)]
pub(crate) struct Fan {
    pub(crate) openid: String,
    /// Empty unless the account is bound to an open-platform account.
    pub(crate) unionid: String,
    /// `None`: not following now.
    pub(crate) followed: Option<Time>,
    /// The code's scene they came by; empty: by search.
    pub(crate) scene: String,
    pub(crate) windows: Windows,
}

impl Fan {
    /// `ADD_SCENE_…` of `/cgi-bin/user/info`.
    pub(crate) fn subscribe_scene(&self) -> &'static str {
        if self.scene.is_empty() { "ADD_SCENE_SEARCH" } else { "ADD_SCENE_QR_CODE" }
    }
}
