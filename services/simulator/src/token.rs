//! Access tokens of one account: two families that do not disturb each other, `/cgi-bin/token` and
//! `/cgi-bin/stable_token`. Pure. Source: platforms.md 1.7.

use std::collections::VecDeque;
use std::time::Duration;

use kernel::Time;

use crate::limits::{StableTokenLimits, TokenLimits};
use crate::seeded::Seeded;

/// Tokens remembered per family; older ones read as unknown, which is an error either way.
const REMEMBERED: usize = 64;

/// Beijing is eight hours ahead of UTC all year.
const BEIJING: Duration = Duration::from_secs(8 * 3_600);

/// What an access token turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Works.
    Valid,
    /// Lived its full life (42001).
    Expired,
    /// Never issued, or replaced by a newer one (40001).
    Invalid,
}

/// All tokens of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    plain: VecDeque<Token>,
    stable: VecDeque<Token>,
    /// Day and number of the forced refreshes made on it, and the last one's moment.
    forced: Option<(i64, u32, Time)>,
}

#[derive(Clone, Debug)]
struct Token {
    value: String,
    expires: Time,
    /// From when on a newer token has replaced it for good.
    replaced: Option<Time>,
}

/// A token and its seconds to live.
pub(crate) type Issued = (String, u64);

impl Tokens {
    /// A new token; the one before works for the overlap longer.
    pub(crate) fn fetch(&mut self, limits: &TokenLimits, now: Time, seeded: &mut Seeded) -> Issued {
        for token in &mut self.plain {
            token.replaced.get_or_insert(now.plus(limits.overlap));
        }
        issue(&mut self.plain, limits.lifetime, now, seeded)
    }

    /// The stable token; a new one when little of it is left (both work until the old one expires).
    pub(crate) fn stable(&mut self, limits: &StableTokenLimits, now: Time, seeded: &mut Seeded) -> Issued {
        match self.stable.back() {
            Some(token) if token.replaced.is_none() && token.expires.since(now) > limits.renew_before => {
                (token.value.clone(), token.expires.since(now).as_secs())
            }
            _ => issue(&mut self.stable, limits.lifetime, now, seeded),
        }
    }

    /// A new stable token at once, the old one dead at once. Within the interval of the last forced refresh nothing
    /// is renewed and the present token is answered. `None`: the day's number is used up.
    pub(crate) fn force(
        &mut self,
        limits: &StableTokenLimits,
        now: Time,
        seeded: &mut Seeded,
    ) -> Option<Issued> {
        let today = now.plus(BEIJING).seconds().div_euclid(86_400);
        let (day, count, last) = self.forced.unwrap_or((today, 0, Time::MIN));
        if count > 0 && now.since(last) < limits.force_interval {
            return Some(self.stable(limits, now, seeded));
        }
        let count = if day == today { count } else { 0 };
        if count >= limits.force_per_day {
            return None;
        }
        self.forced = Some((today, count + 1, now));
        for token in &mut self.stable {
            token.replaced = Some(now);
        }
        Some(issue(&mut self.stable, limits.lifetime, now, seeded))
    }

    /// What `value` is worth at `now`.
    pub(crate) fn standing(&self, value: &str, now: Time) -> Standing {
        match self.plain.iter().chain(&self.stable).find(|token| token.value == value) {
            Some(token) if token.replaced.is_some_and(|from| from <= now && from < token.expires) => {
                Standing::Invalid
            }
            Some(token) if token.expires <= now => Standing::Expired,
            Some(_) => Standing::Valid,
            None => Standing::Invalid,
        }
    }

    /// Whether this account issued `value` at any time.
    pub(crate) fn issued(&self, value: &str) -> bool {
        self.plain.iter().chain(&self.stable).any(|token| token.value == value)
    }
}

fn issue(family: &mut VecDeque<Token>, lifetime: Duration, now: Time, seeded: &mut Seeded) -> Issued {
    let value = format!("{}_{}", seeded.digits(2), seeded.text(133));
    family.push_back(Token { value: value.clone(), expires: now.plus(lifetime), replaced: None });
    if family.len() > REMEMBERED {
        family.pop_front();
    }
    (value, lifetime.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_700_000_000 + seconds)
    }

    fn fixture() -> (Tokens, Limits, Seeded) {
        (Tokens::default(), Limits::current().unwrap(), Seeded::new(1, 1))
    }

    #[test]
    fn an_old_token_works_five_minutes_longer_and_a_young_one_two_hours() {
        let (mut tokens, limits, mut seeded) = fixture();
        let (first, lives) = tokens.fetch(&limits.token, at(0), &mut seeded);
        assert_eq!(lives, 7_200);
        let (second, _) = tokens.fetch(&limits.token, at(100), &mut seeded);
        assert_ne!(first, second);
        assert_eq!(tokens.standing(&first, at(399)), Standing::Valid);
        // A third fetch does not lengthen the overlap of the first.
        let (third, _) = tokens.fetch(&limits.token, at(399), &mut seeded);
        assert_eq!(tokens.standing(&first, at(400)), Standing::Invalid);
        assert_eq!(tokens.standing(&second, at(698)), Standing::Valid);
        assert_eq!(tokens.standing(&third, at(399 + 7_199)), Standing::Valid);
        assert_eq!(tokens.standing(&third, at(399 + 7_200)), Standing::Expired);
        assert_eq!(tokens.standing("made up", at(0)), Standing::Invalid);
    }

    #[test]
    fn the_stable_token_stays_until_its_last_five_minutes() {
        let (mut tokens, limits, mut seeded) = fixture();
        let (first, _) = tokens.stable(&limits.stable_token, at(0), &mut seeded);
        assert_eq!(tokens.stable(&limits.stable_token, at(6_899), &mut seeded), (first.clone(), 301));
        let (second, lives) = tokens.stable(&limits.stable_token, at(6_900), &mut seeded);
        assert_ne!(first, second);
        assert_eq!(lives, 7_200);
        assert_eq!(tokens.standing(&first, at(7_199)), Standing::Valid);
        assert_eq!(tokens.standing(&first, at(7_200)), Standing::Expired);
        // The other family does not matter to it.
        tokens.fetch(&limits.token, at(7_000), &mut seeded);
        assert_eq!(tokens.standing(&second, at(7_400)), Standing::Valid);
    }

    #[test]
    fn forcing_kills_at_once_not_twice_in_thirty_seconds_and_twenty_times_a_day() {
        let (mut tokens, limits, mut seeded) = fixture();
        let rules = &limits.stable_token;
        let midnight = Time::parse("2026-11-21T00:00:00+08:00").unwrap();
        let after = |seconds| midnight.plus(Duration::from_secs(seconds));
        let (first, _) = tokens.stable(rules, after(0), &mut seeded);
        let (second, _) = tokens.force(rules, after(0), &mut seeded).unwrap();
        assert_eq!(tokens.standing(&first, after(0)), Standing::Invalid);
        assert_eq!(tokens.force(rules, after(29), &mut seeded).unwrap().0, second);
        for count in 1..20 {
            assert!(tokens.force(rules, after(30 * count), &mut seeded).is_some(), "{count}");
        }
        assert_eq!(tokens.force(rules, after(86_399), &mut seeded), None);
        assert!(tokens.force(rules, after(86_400), &mut seeded).is_some());
    }
}
