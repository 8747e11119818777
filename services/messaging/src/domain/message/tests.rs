//! Laws of a message's way.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn start(channels: &[&str]) -> Progress {
    Progress::new(channels.iter().map(|key| (*key).to_owned()).collect(), Time::from_seconds(0))
}

fn retry() -> Retry {
    Retry::new(vec![Duration::from_secs(60); 2])
}

#[test]
fn without_any_call_it_is_suppressed_and_after_one_it_has_failed() {
    let now = Time::from_seconds(1);
    let mut message = start(&["oa", "mail"]);
    message.skip("outside_reply_window", now);
    assert_eq!((message.state, message.channel.as_str(), message.due), (State::Queued, "mail", Some(now)));
    message.skip("no_address", now);
    assert_eq!((message.state, message.reason.as_str()), (State::Suppressed, "no_address"));
    let mut message = start(&["oa", "mail"]);
    message.hand_over();
    message.answered(&Outcome::refused("WECHAT_45015", "out of time"), now, &retry());
    message.skip("no_address", now);
    assert_eq!((message.state, message.reason.as_str()), (State::Failed, "no_address"));
}

#[test]
fn tries_are_counted_per_channel_and_end() {
    let mut message = start(&["a", "b"]);
    let mut now = Time::from_seconds(0);
    let mut calls = Vec::new();
    while let Some(due) = message.due {
        now = now.max(due);
        message.hand_over();
        calls.push((message.channel.clone(), now.seconds()));
        message.answered(&Outcome::retry("SMTP_451", "busy"), now, &retry());
    }
    let expected = [("a", 0), ("a", 60), ("a", 120), ("b", 120), ("b", 180), ("b", 240)];
    assert_eq!(calls, expected.map(|(key, second)| (key.to_owned(), second)));
    assert_eq!((message.state, message.attempts.len()), (State::Failed, 6));
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        Just(None),
        Just(Some(Outcome::Sent { provider_id: "1".to_owned() })),
        Just(Some(Outcome::retry("X", ""))),
        Just(Some(Outcome::refused("Y", ""))),
        Just(Some(Outcome::unknown(""))),
    ]
}

proptest! {
    #[test]
    fn every_way_ends_once_with_one_fact_and_at_most_one_taking(script in prop::collection::vec(outcome(), 1..20)) {
        let mut message = start(&["a", "b", "c"]);
        for (n, step) in script.iter().enumerate() {
            let now = Time::from_seconds(n as i64 * 1_000);
            prop_assert_eq!(message.due.is_some(), message.state.fact().is_none());
            if message.due.is_none() {
                break;
            }
            match step {
                None => message.skip("no_address", now),
                Some(outcome) => {
                    message.hand_over();
                    message.answered(outcome, now, &retry());
                }
            }
        }
        let taken = message.attempts.iter().filter(|a| a.outcome == "sent" || a.outcome == "OUTCOME_UNKNOWN").count();
        prop_assert!(taken <= 1);
        prop_assert_eq!(taken == 1, matches!(message.state, State::Sent | State::Unknown));
    }
}
