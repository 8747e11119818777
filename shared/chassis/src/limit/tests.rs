//! How many pass, and when the others may.

use kernel::Time;
use proptest::prelude::*;

use super::*;

fn limiter(calls_per_second: u32, burst: u32) -> (Limiter<u32>, kernel::Warp) {
    let (clock, warp) = Clock::warped(Time::from_seconds(1_795_226_400));
    (Limiter::new(Rate { calls_per_second, burst }, &clock), warp)
}

#[test]
fn without_a_rate_everybody_passes() {
    let (limiter, _warp) = limiter(0, 0);
    assert!((0..100_000).all(|_| limiter.count(&1).is_ok()));
    assert_eq!(limiter.keys(), 0);
}

#[test]
fn one_key_does_not_count_for_another() {
    let (limiter, _warp) = limiter(1, 1);
    assert!(limiter.count(&1).is_ok() && limiter.count(&2).is_ok());
    assert!(limiter.count(&1).is_err());
}

#[test]
fn memory_holds_those_only_who_come() {
    let (limiter, warp) = limiter(10, 1);
    for round in 0..50 {
        for key in 0..1_000 {
            limiter.count(&(round * 1_000 + key)).unwrap();
        }
        warp.advance_to(warp.now().plus(Duration::from_secs(1)));
    }
    assert!(limiter.keys() <= FEW, "{} keys are kept", limiter.keys());
    // So many who all come at once are kept, each with its count.
    for key in 100_000..140_000 {
        limiter.count(&key).unwrap();
    }
    assert!((100_000..140_000).all(|key| limiter.count(&key).is_err()));
}

proptest! {
    /// Nor do more pass than burst and rate allow, whatever is tried and whenever.
    #[test]
    fn what_is_told_to_wait_passes_then_and_not_before(
        rate in 1_u32..1_000, burst in 1_u32..50, pauses in proptest::collection::vec(0_u64..100_000, 1..100),
    ) {
        let (limiter, warp) = limiter(rate, burst);
        let begin = warp.now();
        let mut passed = 0_u64;
        for pause in pauses {
            warp.advance_to(warp.now().plus(Duration::from_micros(pause)));
            match limiter.count(&7) {
                Ok(()) => passed += 1,
                Err(wait) => {
                    prop_assert!(!wait.is_zero());
                    // Time goes in microseconds: what remains of one counts.
                    let exact = Duration::from_micros(u64::try_from(wait.as_nanos().div_ceil(1_000)).unwrap());
                    warp.advance_to(warp.now().plus(exact.saturating_sub(Duration::from_micros(1))));
                    prop_assert!(limiter.count(&7).is_err(), "passes before {wait:?}");
                    warp.advance_to(warp.now().plus(Duration::from_micros(1)));
                    prop_assert!(limiter.count(&7).is_ok(), "does not pass after {wait:?}");
                    passed += 1;
                }
            }
            let allowed = f64::from(burst) + warp.now().since(begin).as_secs_f64() * f64::from(rate);
            prop_assert!(passed as f64 <= allowed + 1e-6, "{passed} passed of {allowed}");
        }
    }
}
