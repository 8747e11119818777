//! Provider limits such as `200/s`, kept by a token bucket in whole numbers, without rounding.

use kernel::Time;

const SECOND: u64 = 1_000_000;

/// So many messages in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    count: u64,
    /// Microseconds.
    period: u64,
}

impl Rate {
    /// Reads `200/s`, `5000/m`, `300/h`, `100000/d`.
    ///
    /// # Errors
    /// A text that says which forms are taken.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a rate; write 200/s, 5000/m, 300/h or 100000/d");
        let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let period = match unit.trim() {
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            "d" => 86_400 * SECOND,
            _ => return Err(wrong()),
        };
        let count = count
            .trim()
            .parse()
            .ok()
            .filter(|count| (1..=1_000_000_000).contains(count))
            .ok_or_else(wrong)?;
        Ok(Self { count, period })
    }
}

/// Holds one message and fills at the rate up to what flows in within 50 ms, so that bursts stay far below one per
/// cent of any few seconds while batches stay worth their transaction.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In shares of a message: one message is `period` of them, and `count` flow in per microsecond.
    level: u128,
    full: u128,
    at: Time,
}

impl Bucket {
    /// A bucket with one message in it.
    pub(crate) fn new(rate: Rate, now: Time) -> Self {
        let one = u128::from(rate.period);
        let full = (u128::from(rate.count) * u128::from(SECOND / 20)).max(one);
        Self { rate, level: one, full, at: now }
    }

    /// The rate it keeps.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Messages that may go now.
    pub(crate) fn available(&mut self, now: Time) -> usize {
        let passed = now.since(self.at).as_micros();
        self.level = (self.level + passed * u128::from(self.rate.count)).min(self.full);
        self.at = self.at.max(now);
        usize::try_from(self.level / u128::from(self.rate.period)).unwrap_or(usize::MAX)
    }

    /// Takes `messages` of those [`Bucket::available`].
    pub(crate) fn take(&mut self, messages: usize) {
        self.level = self.level.saturating_sub(messages as u128 * u128::from(self.rate.period));
    }

    /// When `wanted` messages may go together, or as many as it ever holds.
    pub(crate) fn when(&self, wanted: usize) -> Time {
        let one = u128::from(self.rate.period);
        let whole = self.full / one;
        let missing = (wanted as u128).clamp(1, whole) * one;
        let wait = missing.saturating_sub(self.level).div_ceil(u128::from(self.rate.count));
        self.at.plus(std::time::Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends `total` as fast as the bucket allows; the times of sending.
    fn run(rate: &str, total: usize) -> Vec<Time> {
        let start = Time::from_seconds(1_700_000_000);
        let (mut bucket, mut now, mut sent) =
            (Bucket::new(Rate::parse(rate).unwrap(), start), start, Vec::new());
        while sent.len() < total {
            let go = bucket.available(now).min(total - sent.len());
            bucket.take(go);
            sent.extend(std::iter::repeat_n(now, go));
            now = bucket.when(total - sent.len());
        }
        sent
    }

    #[test]
    fn rates_hold_within_one_per_cent() {
        for (rate, total, seconds) in
            [("200/s", 2_000, 10.0), ("5000/m", 5_000, 60.0), ("100000/d", 1_000, 864.0)]
        {
            let sent = run(rate, total);
            let took = sent[total - 1].since(sent[0]).as_secs_f64();
            assert!((took - seconds).abs() <= seconds * 0.01, "{rate}: {total} took {took} s");
        }
    }

    proptest! {
        #[test]
        fn no_ten_seconds_see_more_than_one_per_cent_above(count in 1_u64..2_000, pause in 0_u64..5_000_000) {
            let start = Time::from_seconds(1_700_000_000);
            let mut bucket = Bucket::new(Rate::parse(&format!("{count}/s")).unwrap(), start);
            let mut now = start.plus(std::time::Duration::from_micros(pause));
            let (from, mut sent) = (now, 0);
            while now.since(from).as_secs() < 10 {
                let go = bucket.available(now);
                bucket.take(go);
                sent += go as u64;
                now = bucket.when(usize::MAX);
            }
            prop_assert!(sent <= count * 10 + (count / 10).max(1), "{sent} of {count}/s");
            prop_assert!(sent >= count * 10 - (count / 10).max(1), "{sent} of {count}/s");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for wrong in ["", "200", "0/s", "x/s", "1/w", "-1/s", "1/s/s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
