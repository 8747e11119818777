//! Reply windows of WeChat Official Accounts: what a user does allows a few messages for a while. Numbers from
//! `limits/wechat_oa.toml` (platforms.md 1.8).

use std::time::Duration;

use kernel::{Error, Result, Time};
use serde::{Deserialize, Deserializer};

/// What opens a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trigger {
    /// The user wrote.
    Message,
    /// The user began to follow.
    Subscribe,
    /// The user tapped a menu entry.
    MenuClick,
    /// The user scanned a code.
    Scan,
}

impl Trigger {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Message, "message"),
        (Self::Subscribe, "subscribe"),
        (Self::MenuClick, "menu_click"),
        (Self::Scan, "scan"),
    ];

    /// Its name in the limits file and the database.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(trigger, _)| *trigger == self).map_or("", |(_, name)| name)
    }

    /// The trigger of that name.
    pub(crate) fn read(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(trigger, _)| *trigger)
    }

    /// The trigger that an event of that name is.
    pub(crate) fn of_event(name: &str) -> Option<Self> {
        match name {
            "message_replied" => Some(Self::Message),
            "wechat.subscribed" => Some(Self::Subscribe),
            "wechat.menu_clicked" => Some(Self::MenuClick),
            "wechat.scanned" => Some(Self::Scan),
            _ => None,
        }
    }
}

/// What one trigger allows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Rule {
    trigger: Trigger,
    #[serde(deserialize_with = "duration")]
    window: Duration,
    max: u32,
}

/// Of the limits file, what the connector needs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Limits {
    #[serde(rename = "window")]
    rules: Vec<Rule>,
}

impl Limits {
    /// The file as it was when this was built.
    ///
    /// # Errors
    /// The file is not of this shape; a test holds it to that.
    pub(crate) fn current() -> Result<Self> {
        toml::from_str(include_str!("../../limits/wechat_oa.toml"))
            .map_err(|error| Error::internal(format!("limits/wechat_oa.toml: {error}")))
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    kernel::time::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// The last occurrence of one trigger and the messages sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// What happened.
    pub(crate) trigger: Trigger,
    /// When.
    pub(crate) at: Time,
    /// Messages sent on it.
    pub(crate) used: u32,
}

/// The windows of one user of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// At most one per trigger.
    pub(crate) opened: Vec<Opened>,
}

impl Windows {
    /// The trigger happened: a fresh window with a full count. One before the last changes nothing.
    pub(crate) fn open(&mut self, trigger: Trigger, at: Time) {
        match self.opened.iter_mut().find(|opened| opened.trigger == trigger) {
            Some(last) if last.at > at => {}
            Some(last) => *last = Opened { trigger, at, used: 0 },
            None => self.opened.push(Opened { trigger, at, used: 0 }),
        }
    }

    /// Charges one message to the open window that has some left and closes first; `None` when there is none.
    pub(crate) fn spend(&mut self, limits: &Limits, now: Time) -> Option<Trigger> {
        let closes = |opened: &Opened| {
            let rule = limits.rules.iter().find(|rule| rule.trigger == opened.trigger)?;
            let closes = opened.at.plus(rule.window);
            (closes > now && opened.used < rule.max).then_some(closes)
        };
        let open = self.opened.iter_mut().filter_map(|opened| Some((closes(opened)?, opened)));
        let (_, first) = open.min_by_key(|(closes, _)| *closes)?;
        first.used += 1;
        Some(first.trigger)
    }

    /// The platform did not take the message charged to `trigger`.
    pub(crate) fn refund(&mut self, trigger: Trigger) {
        if let Some(opened) = self.opened.iter_mut().find(|opened| opened.trigger == trigger) {
            opened.used = opened.used.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_700_000_000 + seconds)
    }

    #[test]
    fn the_window_that_closes_first_is_charged_first_and_a_refund_gives_back() {
        let limits = Limits::current().unwrap();
        let mut windows = Windows::default();
        assert_eq!(windows.spend(&limits, at(0)), None);
        windows.open(Trigger::Message, at(0));
        windows.open(Trigger::Subscribe, at(1));
        for _ in 0..3 {
            assert_eq!(windows.spend(&limits, at(2)), Some(Trigger::Subscribe));
        }
        assert_eq!(windows.spend(&limits, at(2)), Some(Trigger::Message));
        windows.refund(Trigger::Message);
        for _ in 0..5 {
            assert_eq!(windows.spend(&limits, at(61)), Some(Trigger::Message));
        }
        assert_eq!(windows.spend(&limits, at(61)), None);
        windows.open(Trigger::Message, at(62));
        assert_eq!(windows.spend(&limits, at(62 + 48 * 3_600 - 1)), Some(Trigger::Message));
        assert_eq!(windows.spend(&limits, at(62 + 48 * 3_600)), None);
    }

    #[test]
    fn every_trigger_has_a_rule_and_a_name() {
        let limits = Limits::current().unwrap();
        for (trigger, name) in Trigger::ALL {
            assert_eq!(Trigger::read(name), Some(trigger));
            assert_eq!(limits.rules.iter().filter(|rule| rule.trigger == trigger).count(), 1, "{name}");
        }
    }
}
