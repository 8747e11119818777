//! `wait`: for a length of time, until a time of day, until a moment.

use std::time::Duration;

use jiff::civil::Time as Clock;
use jiff::tz::TimeZone;
use kernel::Time;
use wire::journey as proto;

use crate::domain::calendar::{next_time_of_day, read_time_of_day};
use crate::domain::node::duration;
use crate::domain::problem::Problems;

/// Waits.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    until: Until,
    /// The next node.
    pub(crate) next: String,
}

#[derive(Clone, Debug)]
enum Until {
    Passed(Duration),
    TimeOfDay(Clock),
    Moment(Time),
}

impl Wait {
    pub(crate) fn read(
        wait: &proto::Wait,
        next: String,
        place: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let until = match &wait.until {
            None => {
                problems.add(
                    format!("{place}.wait"),
                    "missing",
                    "say how long: duration, time_of_day or date",
                );
                None
            }
            Some(proto::wait::Until::Duration(length)) => {
                duration(Some(length), &format!("{place}.wait.duration"), problems).map(Until::Passed)
            }
            Some(proto::wait::Until::TimeOfDay(text)) => {
                let at = read_time_of_day(text);
                if at.is_none() {
                    let message = format!("`{text}` is not a time of day; write 10:00");
                    problems.add(format!("{place}.wait.time_of_day"), "not_a_time_of_day", message);
                }
                at.map(Until::TimeOfDay)
            }
            Some(proto::wait::Until::Date(moment)) => Some(Until::Moment(moment.into())),
        };
        Some(Self { until: until?, next })
    }

    /// When it ends for somebody who comes to it `now`. A moment that has passed ends it at once.
    pub(crate) fn ends(&self, now: Time, zone: &TimeZone) -> Time {
        match self.until {
            Until::Passed(length) => now.plus(length),
            Until::TimeOfDay(at) => next_time_of_day(at, now, zone),
            Until::Moment(moment) => moment,
        }
    }
}
