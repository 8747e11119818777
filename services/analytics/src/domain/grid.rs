//! Calendar intervals over a range of time, in a workspace's zone, and the fast way from a moment to its interval.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Unit, Zoned};
use kernel::{Error, Result, Time};

/// Points in one answer at the most.
pub const MAX_POINTS: usize = 10_000;

/// How long an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// The whole range is one.
    Whole,
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday's midnight.
    Week,
    /// From the first's midnight.
    Month,
}

/// The intervals that touch a range of time.
#[derive(Clone, Debug)]
pub struct Grid {
    from: i64,
    to: i64,
    /// Where each interval starts; the first may start before `from`.
    starts: Vec<i64>,
    /// Intervals per microsecond, on average.
    density: f64,
}

impl Grid {
    /// The intervals that touch `[from, to)`.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for an empty range or more than [`MAX_POINTS`] intervals.
    pub fn new(interval: Interval, from: Time, to: Time, zone: &TimeZone) -> Result<Self> {
        if from >= to {
            return Err(Error::invalid("to", "must lie behind `from`"));
        }
        let mut starts = vec![start(interval, from, zone)?];
        let mut following = next(interval, Time(starts[0]), zone)?;
        while following < to.0 {
            if starts.len() >= MAX_POINTS {
                return Err(Error::invalid(
                    "interval",
                    format!("more than {MAX_POINTS} points; take a longer interval or a shorter range"),
                ));
            }
            starts.push(following);
            following = next(interval, Time(following), zone)?;
        }
        let density = starts.len() as f64 / (to.0 - starts[0]).max(1) as f64;
        Ok(Self { from: from.0, to: to.0, starts, density })
    }

    /// Number of intervals; at least one.
    pub fn points(&self) -> usize {
        self.starts.len()
    }

    /// Where each interval starts.
    pub fn starts(&self) -> impl Iterator<Item = Time> {
        self.starts.iter().map(|start| Time(*start))
    }

    /// The interval of a moment (µs); `None` outside the range.
    #[inline]
    pub fn find(&self, time: i64) -> Option<usize> {
        if time < self.from || time >= self.to {
            return None;
        }
        // A guess by the average length is at most a step or two off, also across months and clock changes.
        let guess = ((time - self.starts[0]) as f64 * self.density) as usize;
        let mut at = guess.min(self.starts.len() - 1);
        while self.starts[at] > time {
            at -= 1;
        }
        while self.starts.get(at + 1).is_some_and(|next| *next <= time) {
            at += 1;
        }
        Some(at)
    }
}

fn start(interval: Interval, time: Time, zone: &TimeZone) -> Result<i64> {
    let local = time.to_jiff().to_zoned(zone.clone());
    let start = match interval {
        Interval::Whole => return Ok(time.0),
        Interval::Hour => {
            local.round(jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc))
        }
        Interval::Day => local.start_of_day(),
        Interval::Week => {
            midnight(&local, local.date() - i64::from(local.weekday().since(Weekday::Monday)).days())
        }
        Interval::Month => midnight(&local, local.date().first_of_month()),
    };
    Ok(start.map_err(out_of_range)?.timestamp().as_microsecond())
}

fn next(interval: Interval, start: Time, zone: &TimeZone) -> Result<i64> {
    let local = start.to_jiff().to_zoned(zone.clone());
    let span = match interval {
        Interval::Whole => return Ok(i64::MAX),
        Interval::Hour => return Ok(start.0.saturating_add(3_600_000_000)),
        Interval::Day => 1.day(),
        Interval::Week => 7.days(),
        Interval::Month => 1.month(),
    };
    let date = local.date().checked_add(span).map_err(out_of_range)?;
    Ok(midnight(&local, date).map_err(out_of_range)?.timestamp().as_microsecond())
}

fn midnight(local: &Zoned, date: jiff::civil::Date) -> Result<Zoned, jiff::Error> {
    date.to_zoned(local.time_zone().clone())
}

fn out_of_range(error: jiff::Error) -> Error {
    Error::invalid("from", "lies outside the calendar").caused_by(error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    fn starts(interval: Interval, from: &str, to: &str, zone_name: &str) -> Vec<Time> {
        Grid::new(interval, time(from), time(to), &zone(zone_name)).unwrap().starts().collect()
    }

    #[test]
    fn intervals_follow_the_calendar_of_the_zone() {
        let days =
            starts(Interval::Day, "2026-11-20T10:00:00+08:00", "2026-11-22T00:00:01+08:00", "Asia/Shanghai");
        assert_eq!(
            days,
            ["2026-11-20", "2026-11-21", "2026-11-22"].map(|d| time(&format!("{d}T00:00:00+08:00")))
        );
        // 2026-11-21 is a Saturday.
        let weeks =
            starts(Interval::Week, "2026-11-21T00:00:00+08:00", "2026-11-24T00:00:00+08:00", "Asia/Shanghai");
        assert_eq!(weeks, ["2026-11-16", "2026-11-23"].map(|d| time(&format!("{d}T00:00:00+08:00"))));
        let months = starts(Interval::Month, "2026-01-31T00:00:00Z", "2026-04-01T00:00:00Z", "UTC");
        assert_eq!(months, ["2026-01-01", "2026-02-01", "2026-03-01"].map(time));
        let hours = starts(Interval::Hour, "2026-11-21T00:10:00Z", "2026-11-21T01:40:00Z", "Asia/Kolkata");
        assert_eq!(hours, ["2026-11-20T23:30:00Z", "2026-11-21T00:30:00Z", "2026-11-21T01:30:00Z"].map(time));
    }

    #[test]
    fn wrong_ranges_are_refused() {
        let (a, b) = (time("2026-01-01"), time("2030-01-01"));
        assert!(Grid::new(Interval::Day, a, a, &TimeZone::UTC).is_err());
        assert!(Grid::new(Interval::Hour, a, b, &TimeZone::UTC).is_err());
    }

    proptest! {
        #[test]
        fn the_guess_ends_where_a_search_would(
            kind in 1usize..5, from in 0i64..40_000, length in 1i64..9_000, at in 0.0..1.0f64,
        ) {
            let interval = [Interval::Whole, Interval::Hour, Interval::Day, Interval::Week, Interval::Month][kind];
            let (from, to) = (Time::from_seconds(1_767_000_000 + from * 997), Time::from_seconds(1_767_000_000 + (from + length) * 997));
            // New York changes its clocks twice within the range.
            let grid = Grid::new(interval, from, to, &zone("America/New_York")).unwrap();
            let moment = from.0 + ((to.0 - from.0) as f64 * at) as i64;
            let starts: Vec<_> = grid.starts().map(|t| t.0).collect();
            prop_assert_eq!(grid.find(moment), Some(starts.partition_point(|s| *s <= moment) - 1));
            prop_assert_eq!(grid.find(from.0 - 1), None);
            prop_assert_eq!(grid.find(to.0), None);
            let own = start(interval, Time(moment), &zone("America/New_York")).unwrap();
            prop_assert_eq!(starts[grid.find(moment).unwrap()], own);
        }
    }
}
