//! A way in, its settings and what of them is secret.

use kernel::{Time, Violation, Workspace};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::wechat::envelope::EnvelopeKey;

/// Source of events that come by gRPC and name none.
pub(crate) const API: &str = "api";
/// Tracking source of development mode.
pub(crate) const DEV: &str = "dev";

const MODE: &str = "mode";
const AES_KEY: &str = "encoding_aes_key";

/// How an official account sends its messages, as set on the platform's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 明文模式: nothing proves the message itself, only the address it was sent to.
    Plain,
    /// 兼容模式: sealed and plain; a stranger who saw one signed address can forge the plain ones.
    Compat,
    /// 安全模式: sealed.
    Safe,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Plain, Self::Compat, Self::Safe];

    /// As it stands in the settings.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Compat => "compat",
            Self::Safe => "safe",
        }
    }

    /// Whether messages that are sealed, or are not, are taken.
    pub(crate) const fn takes(self, sealed: bool) -> bool {
        match self {
            Self::Plain => !sealed,
            Self::Compat => true,
            Self::Safe => sealed,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tracking,
    WechatOa,
    Import,
    Api,
}

/// One setting of a kind.
struct Setting {
    name: &'static str,
    required: bool,
    secret: bool,
}

const WECHAT_OA: [Setting; 5] = [
    Setting { name: "app_id", required: true, secret: false },
    Setting { name: "token", required: true, secret: true },
    Setting { name: MODE, required: false, secret: false },
    Setting { name: AES_KEY, required: false, secret: true },
    Setting { name: "encoding_aes_key_previous", required: false, secret: true },
];

impl Kind {
    /// As it stands in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tracking => "tracking",
            Self::WechatOa => "wechat_oa",
            Self::Import => "import",
            Self::Api => "api",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Tracking, Self::WechatOa, Self::Import, Self::Api].into_iter().find(|kind| kind.name() == name)
    }

    /// Whether HTTP clients prove who they are by a write key of the source.
    pub(crate) const fn has_write_key(self) -> bool {
        matches!(self, Self::Tracking | Self::Import)
    }

    const fn settings(self) -> &'static [Setting] {
        match self {
            Self::WechatOa => &WECHAT_OA,
            Self::Tracking | Self::Import | Self::Api => &[],
        }
    }
}

/// A source.
#[derive(Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) workspace: Workspace,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) settings: Map<String, Value>,
    /// SHA-256; empty for kinds without.
    pub(crate) write_key_hash: Vec<u8>,
    pub(crate) disabled: bool,
    pub(crate) priority: i32,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

impl std::fmt::Debug for Source {
    /// No settings: some are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("workspace", &self.workspace)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// One that is there without having been created.
    pub(crate) fn built_in(workspace: Workspace, key: &str, kind: Kind) -> Self {
        Self {
            workspace,
            key: key.to_owned(),
            name: key.to_owned(),
            kind,
            settings: Map::new(),
            write_key_hash: Vec::new(),
            disabled: false,
            priority: 0,
            created_at: Time(0),
            updated_at: Time(0),
        }
    }

    /// A setting as text; empty when it is not set.
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The mode of an official account: as set, otherwise the safest its keys allow.
    pub(crate) fn mode(&self) -> Mode {
        let by_keys = if self.setting(AES_KEY).is_empty() { Mode::Plain } else { Mode::Safe };
        Mode::parse(self.setting(MODE)).unwrap_or(by_keys)
    }

    /// The settings that may be shown.
    pub(crate) fn open_settings(&self) -> Map<String, Value> {
        let secret =
            |name: &str| self.kind.settings().iter().any(|setting| setting.name == name && setting.secret);
        self.settings.iter().filter(|(name, _)| !secret(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }
}

/// The hash under which a write key is kept: it is random and long, so that it needs no salt.
pub(crate) fn hash_write_key(write_key: &str) -> Vec<u8> {
    Sha256::digest(write_key.as_bytes()).to_vec()
}

/// The new settings of a source: what is given replaces what was; a secret that is not given stays, and an empty one
/// goes away.
pub(crate) fn merge(kind: Kind, given: Map<String, Value>, old: &Map<String, Value>) -> Map<String, Value> {
    let mut settings: Map<String, Value> = given.into_iter().filter(|(_, value)| !value.is_null()).collect();
    for secret in kind.settings().iter().filter(|setting| setting.secret) {
        match settings.get(secret.name).and_then(Value::as_str) {
            Some("") => {
                settings.remove(secret.name);
            }
            Some(_) => {}
            None => {
                if let Some(kept) = old.get(secret.name) {
                    settings.entry(secret.name).or_insert_with(|| kept.clone());
                }
            }
        }
    }
    settings
}

/// What is wrong with the settings of a source; values are not quoted, they may be secret.
pub(crate) fn validate(kind: Kind, settings: &Map<String, Value>) -> Vec<Violation> {
    let violation =
        |name: &str, description: String| Violation { field: format!("source.settings.{name}"), description };
    let known: Vec<&str> = kind.settings().iter().map(|setting| setting.name).collect();
    let mut wrong: Vec<Violation> = settings
        .iter()
        .filter_map(|(name, value)| match (known.contains(&name.as_str()), value) {
            (true, Value::String(_)) => None,
            (true, _) => Some(violation(name, "must be text".to_owned())),
            (false, _) if known.is_empty() => {
                Some(violation(name, format!("sources of kind {} have no settings", kind.name())))
            }
            (false, _) => Some(violation(name, format!("is not known; there are {}", known.join(", ")))),
        })
        .collect();
    for setting in kind.settings() {
        let text = settings.get(setting.name).and_then(Value::as_str).unwrap_or("");
        if text.is_empty() && setting.required {
            wrong.push(violation(
                setting.name,
                "is required; the platform's developer page shows it".to_owned(),
            ));
        } else if !text.is_empty() && setting.name.starts_with(AES_KEY) {
            wrong
                .extend(EnvelopeKey::parse(text).err().map(|flaw| violation(setting.name, flaw.to_string())));
        }
    }
    let text = |name: &str| settings.get(name).and_then(Value::as_str).unwrap_or("");
    match Mode::parse(text(MODE)) {
        None if !text(MODE).is_empty() => wrong.push(violation(
            MODE,
            "must be plain (明文模式), compat (兼容模式) or safe (安全模式), as the platform's page says"
                .to_owned(),
        )),
        Some(Mode::Compat | Mode::Safe) if text(AES_KEY).is_empty() => wrong.push(violation(
            AES_KEY,
            format!("is required in mode {}; the platform's developer page shows it", text(MODE)),
        )),
        _ => {}
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn secrets_stay_unless_they_are_given_and_are_never_shown() {
        let old = map(json!({"app_id": "wx1", "token": "秘密", "encoding_aes_key": "A".repeat(43)}));
        let new = merge(Kind::WechatOa, map(json!({"app_id": "wx2", "encoding_aes_key": ""})), &old);
        assert_eq!(new, map(json!({"app_id": "wx2", "token": "秘密"})));
        let source =
            Source { settings: new, ..Source::built_in(Workspace::new("demo"), "oa", Kind::WechatOa) };
        assert_eq!(source.open_settings(), map(json!({"app_id": "wx2"})));
        assert!(!format!("{source:?}").contains("秘密"));
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let fields = |kind, settings| -> Vec<String> {
            validate(kind, &map(settings)).into_iter().map(|violation| violation.field).collect()
        };
        assert!(fields(Kind::WechatOa, json!({"app_id": "wx1", "token": "t"})).is_empty());
        assert_eq!(
            fields(Kind::WechatOa, json!({"app_id": 1, "encoding_aes_key": "short", "colour": "red"})),
            [
                "source.settings.app_id",
                "source.settings.colour",
                "source.settings.app_id",
                "source.settings.token",
                "source.settings.encoding_aes_key"
            ]
        );
        assert_eq!(fields(Kind::Tracking, json!({"a": 1})), ["source.settings.a"]);
        let with = |mode: &str, key: &str| json!({"app_id": "wx1", "token": "t", "mode": mode, "encoding_aes_key": key});
        let key = "A".repeat(43);
        for (mode, key) in [("plain", ""), ("plain", &key), ("compat", &key), ("safe", &key), ("", &key)] {
            assert!(fields(Kind::WechatOa, with(mode, key)).is_empty(), "{mode} {key}");
        }
        assert_eq!(fields(Kind::WechatOa, with("安全", &key)), ["source.settings.mode"]);
        assert_eq!(fields(Kind::WechatOa, with("safe", "")), ["source.settings.encoding_aes_key"]);
    }
}
