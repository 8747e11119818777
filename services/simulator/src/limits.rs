//! The platform's quotas, read from the one dated file that the connector reads too.

use std::time::Duration;

use kernel::{Error, Result};
use serde::{Deserialize, Deserializer};

use crate::window::Trigger;

/// `services/messaging/limits/wechat_oa.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Day on which the numbers were checked.
    pub date: String,
    /// Where they stand.
    pub source: String,
    /// Of `/cgi-bin/token`.
    pub token: TokenLimits,
    /// Of `/cgi-bin/stable_token`.
    pub stable_token: StableTokenLimits,
    /// Of callbacks to the account's server.
    pub callback: CallbackLimits,
    /// Of one message.
    pub message: MessageLimits,
    /// Reply windows, one per trigger.
    pub window: Vec<WindowLimits>,
}

/// Plain access tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLimits {
    /// From issue to expiry.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// A superseded token works so much longer.
    #[serde(deserialize_with = "duration")]
    pub overlap: Duration,
}

/// Stable access tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StableTokenLimits {
    /// From issue to expiry.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// Renewed when so little is left.
    #[serde(deserialize_with = "duration")]
    pub renew_before: Duration,
    /// Forced refreshes a day.
    pub force_per_day: u32,
    /// Least time between forced refreshes.
    #[serde(deserialize_with = "duration")]
    pub force_interval: Duration,
}

/// Callbacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackLimits {
    /// For one attempt.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// In total.
    pub attempts: u32,
}

/// Messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageLimits {
    /// Longest text, in bytes of UTF-8.
    pub text_bytes: usize,
}

/// One reply window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowLimits {
    /// What opens it.
    pub trigger: Trigger,
    /// How long it stays open.
    #[serde(deserialize_with = "duration")]
    pub window: Duration,
    /// Messages it allows.
    pub max: u32,
}

impl Limits {
    /// The file as it was when this was built.
    ///
    /// # Errors
    /// The file is not of this shape; a test holds it to that.
    pub fn current() -> Result<Self> {
        toml::from_str(include_str!("../../messaging/limits/wechat_oa.toml"))
            .map_err(|error| Error::internal(format!("limits/wechat_oa.toml: {error}")))
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    kernel::time::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_of_this_shape_and_has_a_window_for_every_trigger() {
        let limits = Limits::current().unwrap();
        assert_eq!(limits.token.lifetime, Duration::from_secs(7_200));
        assert_eq!(limits.token.overlap, Duration::from_secs(300));
        for trigger in [Trigger::Message, Trigger::Subscribe, Trigger::MenuClick, Trigger::Scan] {
            assert_eq!(
                limits.window.iter().filter(|window| window.trigger == trigger).count(),
                1,
                "{trigger:?}"
            );
        }
    }
}
