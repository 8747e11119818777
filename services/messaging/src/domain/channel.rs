//! A way out: its kind, what is set on it, what of that is secret.

use kernel::{Error, Result, Time, Violation};
use serde_json::{Map, Value};

use super::rate::Rate;
use super::settings::Settings;

/// What sort of provider stands behind a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Smtp,
    Webhook,
    WechatOa,
    Sandbox,
}

impl Kind {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Smtp, "smtp"),
        (Self::Webhook, "webhook"),
        (Self::WechatOa, "wechat_oa"),
        (Self::Sandbox, "sandbox"),
    ];

    /// Its name in facts and the database.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
        known.ok_or_else(|| Error::internal(format!("a stored channel has the unknown kind `{name}`")))
    }

    /// Settings that are stored apart and never shown.
    pub(crate) fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Smtp => &["password"],
            // Headers carry credentials of the receiver's making.
            Self::Webhook => &["secret", "headers"],
            Self::WechatOa => &["app_secret"],
            Self::Sandbox => &[],
        }
    }

    /// Whether sending the same message twice does no harm: the receiver knows the idempotency key, or nothing is sent.
    pub(crate) fn repeatable(self) -> bool {
        matches!(self, Self::Webhook | Self::Sandbox)
    }
}

/// A channel as kept.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Without secrets.
    pub(crate) shown: Map<String, Value>,
    pub(crate) secrets: Map<String, Value>,
    /// Such as `200/s`; empty: none.
    pub(crate) rate: String,
    pub(crate) created: Time,
    pub(crate) updated: Time,
}

/// Secrets are not shown.
impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("key", &self.key).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Channel {
    /// Takes new settings: secrets left out stay, those given as null go, everything else is replaced.
    pub(crate) fn set(&mut self, given: Map<String, Value>) {
        self.shown.clear();
        for (name, value) in given {
            let place = if self.kind.secrets().contains(&name.as_str()) {
                &mut self.secrets
            } else {
                &mut self.shown
            };
            if value.is_null() {
                place.remove(&name);
            } else {
                place.insert(name, value);
            }
        }
    }

    /// Its settings, read.
    ///
    /// # Errors
    /// Violations with paths such as `settings.host`.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let all = self
            .shown
            .iter()
            .chain(&self.secrets)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Settings::read(self.kind, &all)
    }

    /// Its rate, read.
    ///
    /// # Errors
    /// A violation at `limits.rate`.
    pub(crate) fn rate(&self) -> Result<Option<Rate>> {
        if self.rate.is_empty() {
            return Ok(None);
        }
        Rate::parse(&self.rate).map(Some).map_err(|message| Error::invalid("limits.rate", message))
    }

    /// Everything that is wrong with it.
    ///
    /// # Errors
    /// All violations together, with paths such as `channel.settings.host`.
    pub(crate) fn validate(&self) -> Result<()> {
        let mut violations: Vec<Violation> = Vec::new();
        violations.extend(check_key(&self.key).err());
        for error in [self.settings().err(), self.rate().err()].into_iter().flatten() {
            violations.extend(error.violations);
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::violations(violations).within("channel")) }
    }
}

/// Keys are slugs of at most 63 characters.
///
/// # Errors
/// A violation of the field `key`.
pub(crate) fn check_key(key: &str) -> Result<(), Violation> {
    let lead = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let rest = |c: char| lead(c) || matches!(c, '_' | '.' | '-');
    if key.len() <= 63 && key.starts_with(lead) && key.chars().all(rest) {
        return Ok(());
    }
    let description = "write 1 to 63 lower-case letters, digits, _ . or -, beginning with a letter or digit";
    Err(Violation { field: "key".to_owned(), description: description.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_slugs() {
        for key in ["oa", "mail.cn-1", "0_a"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "Mail", "邮件", "-a", "a b", &"a".repeat(64)] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
