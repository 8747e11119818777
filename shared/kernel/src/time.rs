//! A moment, as everything stores and compares it.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

/// Microseconds since 1970-01-01T00:00:00Z. Databases keep it as a 64-bit integer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// Before everything.
    pub const MIN: Self = Self(i64::MIN);
    /// After everything.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Whole milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `duration`, kept within range.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment less `duration`, kept within range.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Time since `earlier`; zero when that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Number of the calendar day in `zone`, counted from 1970-01-01.
    pub fn day(self, zone: &TimeZone) -> i32 {
        let offset = zone.to_offset(self.to_jiff()).seconds();
        let local = self.seconds().saturating_add(i64::from(offset));
        i32::try_from(local.div_euclid(86_400)).unwrap_or(if local < 0 { i32::MIN } else { i32::MAX })
    }

    /// As jiff's type, clamped to its range.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// RFC 3339, or a date alone (midnight UTC).
    ///
    /// # Errors
    /// A text that says which forms are taken.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(moment.into());
        }
        // jiff reads the date of a longer text as well: a time without a zone must not become midnight.
        Some(text)
            .filter(|text| text.len() == "2026-11-21".len())
            .and_then(|text| text.parse::<jiff::civil::Date>().ok())
            .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
            .map(|zoned| zoned.timestamp().into())
            .ok_or_else(|| format!("`{text}` is not a time; write 2026-11-21T09:30:00+08:00 or 2026-11-21"))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl From<jiff::Timestamp> for Time {
    fn from(moment: jiff::Timestamp) -> Self {
        Self(moment.as_microsecond())
    }
}

impl From<Time> for prost_types::Timestamp {
    fn from(time: Time) -> Self {
        let nanos = i32::try_from(time.0.rem_euclid(1_000_000)).unwrap_or(0) * 1_000;
        Self { seconds: time.seconds(), nanos }
    }
}

impl From<&prost_types::Timestamp> for Time {
    fn from(stamp: &prost_types::Timestamp) -> Self {
        Self(stamp.seconds.saturating_mul(1_000_000).saturating_add(i64::from(stamp.nanos / 1_000)))
    }
}

impl From<prost_types::Timestamp> for Time {
    fn from(stamp: prost_types::Timestamp) -> Self {
        (&stamp).into()
    }
}

/// A length of time as conditions and definitions write it: `90s`, `30m`, `2h`, `3d`, `2w`.
///
/// # Errors
/// A text that says which forms are taken.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a length of time; write a whole number and s, m, h, d or w, such as 30m");
    let trimmed = text.trim();
    let unit_at =
        trimmed.len().checked_sub(1).filter(|at| trimmed.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let count: u64 = number.trim().parse().map_err(|_| wrong())?;
    count
        .checked_mul(seconds)
        .filter(|total| *total <= 100 * 366 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let before = Time::parse("2026-11-20T23:59:59+08:00").unwrap();
        let after = Time::parse("2026-11-21T00:00:00+08:00").unwrap();
        assert_eq!(before.day(&shanghai) + 1, after.day(&shanghai));
        assert_eq!(before.day(&TimeZone::UTC), after.day(&TimeZone::UTC));
    }

    #[test]
    fn durations_are_read_and_refused() {
        assert_eq!(parse_duration("30m").unwrap(), Duration::from_secs(1_800));
        assert_eq!(parse_duration("3d").unwrap(), Duration::from_secs(259_200));
        for wrong in ["", "m", "3", "3x", "-3d", "1.5h", "天", "99999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_refused() {
        assert!(Time::parse("2026-11-21").is_ok());
        assert!(Time::parse("2026-11-21T10:00:00+08:00").is_ok());
        for wrong in ["2026-11-21T10:00:00", "2026-11-21 10:00", "21.11.2026", "gestern", ""] {
            assert!(Time::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wire_times_go_there_and_back() {
        for micros in [-1, 0, 1, 1_700_000_000_123_456] {
            let stamp: prost_types::Timestamp = Time(micros).into();
            assert_eq!(Time::from(&stamp), Time(micros));
        }
    }
}
