//! Times of day and days of the year in a workspace's zone.

use jiff::ToSpan as _;
use jiff::civil::{Date, Time as Clock};
use jiff::tz::TimeZone;
use kernel::Time;

/// `HH:MM` as a time of day.
pub(crate) fn read_time_of_day(text: &str) -> Option<Clock> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| part.parse::<i8>().ok().filter(|_| part.len() == 2 && !part.starts_with('+'));
    Clock::new(two(hour)?, two(minute)?, 0, 0).ok()
}

/// The first moment after `now` at which it is `at` o'clock in `zone`. A time that a change to summer time leaves out
/// is taken an hour later, so never early.
pub(crate) fn next_time_of_day(at: Clock, now: Time, zone: &TimeZone) -> Time {
    let mut day = zone.to_datetime(now.to_jiff()).date();
    loop {
        match moment(day, at, zone) {
            Some(time) if time > now => return time,
            _ => {}
        }
        match day.tomorrow() {
            Ok(next) => day = next,
            // The end of the calendar, in the year 9999.
            Err(_) => return Time::MAX,
        }
    }
}

/// The month and day of `1990-02-28`, `1990-02-28T…` or `02-28`.
pub(crate) fn read_anniversary(text: &str) -> Option<(i8, i8)> {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    // A leap year, so that 29 February stands.
    let full = if day.len() == 5 { format!("2000-{day}") } else { day.to_owned() };
    let date: Date = full.parse().ok()?;
    Some((date.month(), date.day()))
}

/// The first moment after `now` that lies `offset` days from the anniversary, at `at` o'clock in `zone`.
/// 29 February is kept on the 28th in common years.
pub(crate) fn next_anniversary(
    (month, day): (i8, i8),
    offset: i32,
    at: Clock,
    now: Time,
    zone: &TimeZone,
) -> Option<Time> {
    let this_year = zone.to_datetime(now.to_jiff()).date().year();
    // An offset of up to a year either way moves an occurrence into a neighbouring year.
    (this_year - 2..=this_year + 3)
        .filter_map(|year| {
            let date = Date::new(year, month, day).or_else(|_| Date::new(year, month, day - 1)).ok()?;
            moment(date.checked_add(offset.days()).ok()?, at, zone)
        })
        .find(|time| *time > now)
}

fn moment(day: Date, at: Clock, zone: &TimeZone) -> Option<Time> {
    day.to_datetime(at).to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn the_next_time_of_day_is_later_and_never_early() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let at = read_time_of_day("10:00").unwrap();
        let next = |now| next_time_of_day(at, time(now), &shanghai);
        assert_eq!(next("2026-11-21T09:59:59+08:00"), time("2026-11-21T10:00:00+08:00"));
        assert_eq!(next("2026-11-21T10:00:00+08:00"), time("2026-11-22T10:00:00+08:00"));
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let gap = read_time_of_day("02:30").unwrap();
        let next = next_time_of_day(gap, time("2026-03-29T00:00:00+01:00"), &berlin);
        assert_eq!(next, time("2026-03-29T03:30:00+02:00"));
        assert!(
            ["24:00", "9:00", "10.00", "", "10:60", "+1:00"].iter().all(|t| read_time_of_day(t).is_none())
        );
    }

    #[test]
    fn the_29th_of_february_is_kept_on_the_28th_in_common_years() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let at = read_time_of_day("09:00").unwrap();
        let born = read_anniversary("1992-02-29").unwrap();
        let next = |now, offset| next_anniversary(born, offset, at, time(now), &shanghai).unwrap();
        assert_eq!(next("2027-01-01", 0), time("2027-02-28T09:00:00+08:00"));
        assert_eq!(next("2028-01-01", 0), time("2028-02-29T09:00:00+08:00"));
        assert_eq!(next("2027-02-28T09:00:00+08:00", 0), time("2028-02-29T09:00:00+08:00"));
        assert_eq!(next("2026-12-30", -60), time("2026-12-30T09:00:00+08:00"));
        assert_eq!(read_anniversary("02-29"), Some((2, 29)));
        assert_eq!(read_anniversary("1992-02-29T08:00:00Z"), Some((2, 29)));
        assert!(["", "13-01", "生日", "1991-02-29"].iter().all(|t| read_anniversary(t).is_none()));
    }
}
