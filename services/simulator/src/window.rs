//! Reply windows: what a user does allows the account a few customer-service messages for a while. Pure.
//!
//! Source: platforms.md 1.8 (the platform's customer-service message page); numbers in the limits file.

use std::collections::BTreeMap;

use kernel::Time;
use serde::{Deserialize, Serialize};

use crate::limits::WindowLimits;

/// What opens a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The user wrote.
    Message,
    /// The user began to follow.
    Subscribe,
    /// The user tapped a menu entry.
    MenuClick,
    /// The user scanned a code.
    Scan,
}

/// Why a message may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// No window is open (45015).
    OutOfTime,
    /// Some are, and all are used up (45047).
    OutOfCount,
}

/// The windows of one fan: the last occurrence of each trigger and the messages sent on it.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    opened: BTreeMap<Trigger, Opened>,
}

#[derive(Clone, Copy, Debug)]
struct Opened {
    at: Time,
    used: u32,
}

impl Windows {
    /// The trigger happened: a fresh window with a full count. An earlier `at` than the last changes nothing.
    pub fn open(&mut self, trigger: Trigger, at: Time) {
        if self.opened.get(&trigger).is_none_or(|last| last.at <= at) {
            self.opened.insert(trigger, Opened { at, used: 0 });
        }
    }

    /// The user stopped following.
    pub fn close_all(&mut self) {
        self.opened.clear();
    }

    /// Takes one message from the open window that has some left and closes first.
    ///
    /// # Errors
    /// [`Shut`] says why there is none.
    pub fn spend(&mut self, limits: &[WindowLimits], now: Time) -> Result<(), Shut> {
        let mut any_open = false;
        let mut best: Option<(Time, Trigger)> = None;
        for rule in limits {
            let Some(opened) = self.opened.get(&rule.trigger) else { continue };
            let closes = opened.at.plus(rule.window);
            if closes <= now {
                continue;
            }
            any_open = true;
            if opened.used < rule.max && best.is_none_or(|(earliest, _)| closes < earliest) {
                best = Some((closes, rule.trigger));
            }
        }
        match best.and_then(|(_, trigger)| self.opened.get_mut(&trigger)) {
            Some(window) => {
                window.used += 1;
                Ok(())
            }
            None if any_open => Err(Shut::OutOfCount),
            None => Err(Shut::OutOfTime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_700_000_000 + seconds)
    }

    #[test]
    fn a_message_allows_five_in_48_hours_and_the_next_one_five_more() {
        let rules = Limits::current().unwrap().window;
        let mut windows = Windows::default();
        assert_eq!(windows.spend(&rules, at(0)), Err(Shut::OutOfTime));
        windows.open(Trigger::Message, at(0));
        for _ in 0..4 {
            assert_eq!(windows.spend(&rules, at(10)), Ok(()));
        }
        assert_eq!(windows.spend(&rules, at(48 * 3_600 - 1)), Ok(()));
        assert_eq!(windows.spend(&rules, at(48 * 3_600 - 1)), Err(Shut::OutOfCount));
        assert_eq!(windows.spend(&rules, at(48 * 3_600)), Err(Shut::OutOfTime));
        windows.open(Trigger::Message, at(48 * 3_600));
        assert_eq!(windows.spend(&rules, at(48 * 3_600)), Ok(()));
    }

    #[test]
    fn the_window_that_closes_first_is_charged_first() {
        let rules = Limits::current().unwrap().window;
        let mut windows = Windows::default();
        windows.open(Trigger::Message, at(0));
        windows.open(Trigger::MenuClick, at(1));
        for _ in 0..3 {
            assert_eq!(windows.spend(&rules, at(2)), Ok(()));
        }
        // The tap's three are gone and its minute is over; the message's five are all still there.
        for _ in 0..5 {
            assert_eq!(windows.spend(&rules, at(120)), Ok(()));
        }
        assert_eq!(windows.spend(&rules, at(120)), Err(Shut::OutOfCount));
    }

    #[test]
    fn unfollowing_closes_everything() {
        let rules = Limits::current().unwrap().window;
        let mut windows = Windows::default();
        windows.open(Trigger::Subscribe, at(0));
        windows.close_all();
        assert_eq!(windows.spend(&rules, at(1)), Err(Shut::OutOfTime));
    }
}
