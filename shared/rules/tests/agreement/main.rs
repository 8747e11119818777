//! The law of conditions: incremental equals whole-history, at any moment, over any history, however it is split.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

mod generate;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use kernel::Time;
use proptest::prelude::*;
use rules::{Condition, Customer, Facts, Plan, Schema, State, View};
use wire::event::Event;

use generate::{Happened, NOW, conditions, crowded, facts, happenings, moments, nows, sequence};

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn compile(sources: &[String]) -> Vec<Condition> {
    let compile = |source: &String| {
        Condition::customer(source, &Schema::open()).unwrap_or_else(|problems| panic!("{source}\n{problems}"))
    };
    sources.iter().map(compile).collect()
}

fn plan(conditions: &[Condition]) -> Plan {
    Plan::new((0..).zip(conditions))
}

fn in_segment(key: &str) -> bool {
    key == "high_value"
}

fn whole(condition: &Condition, facts: &Facts, history: &[Happened], now: Time) -> bool {
    let history: Vec<&Event> = history.iter().map(|happened| &happened.event).collect();
    condition.holds(&Customer { facts, history: &history, segments: &in_segment }, now, &zone())
}

/// One state for each record; of each, half the events come through a second state that is merged in.
fn states(plan: &Plan, history: &[Happened]) -> Vec<State> {
    let mut records: Vec<(State, State)> = vec![Default::default(); 3];
    for happened in history {
        let (live, filled) = &mut records[happened.record];
        plan.apply(if happened.late { filled } else { live }, &happened.event, &zone());
    }
    let merged = records.into_iter().map(|(mut live, filled)| {
        live.merge(filled);
        State::decode(&live.encode()).unwrap()
    });
    merged.collect()
}

fn answer(plan: &Plan, id: u32, states: &[State], facts: &Facts, now: Time) -> rules::Answer {
    let states: Vec<&State> = states.iter().collect();
    plan.evaluate(id, &View { states: &states, facts, segments: &in_segment, event: None }, now, &zone())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn incremental_equals_whole_history(
        sources in conditions(), history in happenings(), facts in facts(), nows in nows()
    ) {
        let conditions = compile(&sources);
        let plan = plan(&conditions);
        let states = states(&plan, &history);
        for now in nows {
            for (id, condition) in (0..).zip(&conditions) {
                let answer = answer(&plan, id, &states, &facts, now);
                prop_assert_eq!(answer.holds, whole(condition, &facts, &history, now), "{} at {}", condition.source(), now);
                prop_assert!(answer.until.is_none_or(|until| until > now), "{} goes on", condition.source());
            }
        }
    }

    #[test]
    fn an_answer_stays_until_it_says(sources in conditions(), history in happenings(), facts in facts()) {
        let conditions = compile(&sources);
        let plan = plan(&conditions);
        let states = states(&plan, &history);
        let moments = moments(&history);
        for (id, condition) in (0..).zip(&conditions) {
            let mut now = NOW;
            let mut current = answer(&plan, id, &states, &facts, now);
            for moment in moments.iter().copied().filter(|moment| *moment > NOW) {
                while let Some(until) = current.until.filter(|until| *until <= moment) {
                    prop_assert!(until > now, "no progress at {} of {}", now, condition.source());
                    now = until;
                    current = answer(&plan, id, &states, &facts, now);
                }
                let expected = whole(condition, &facts, &history, moment);
                prop_assert_eq!(current.holds, expected, "{} at {}, asked at {}", condition.source(), moment, now);
            }
        }
    }

    #[test]
    fn no_order_of_events_makes_a_difference(
        sources in conditions(), (history, shuffled) in happenings().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let plan = plan(&compile(&sources));
        let apply = |history: &[Happened]| {
            let mut state = State::new();
            history.iter().for_each(|happened| { plan.apply(&mut state, &happened.event, &zone()); });
            state
        };
        let (one, other) = (apply(&history), apply(&shuffled));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.encode(), other.encode());
        let (left, right) = shuffled.split_at(shuffled.len() / 2);
        let mut merged = apply(right);
        merged.merge(apply(left));
        prop_assert_eq!(&one, &merged);
        prop_assert_eq!(State::decode(&one.encode()).unwrap(), one);
    }

    #[test]
    fn what_expires_is_never_missed(sources in conditions(), history in happenings(), facts in facts(), nows in nows()) {
        let conditions = compile(&sources);
        let plan = plan(&conditions);
        let mut states = states(&plan, &history);
        let mut nows = nows;
        nows.sort();
        for now in nows {
            states.iter_mut().for_each(|state| plan.expire(state, now));
            for (id, condition) in (0..).zip(&conditions) {
                let holds = answer(&plan, id, &states, &facts, now).holds;
                prop_assert_eq!(holds, whole(condition, &facts, &history, now), "{} at {}", condition.source(), now);
            }
        }
    }

    #[test]
    fn only_touched_conditions_change(sources in conditions(), history in happenings(), facts in facts()) {
        let conditions = compile(&sources);
        let plan = plan(&conditions);
        let mut state = State::new();
        let all = |state: &State| -> Vec<rules::Answer> {
            (0..).zip(&conditions).map(|(id, _)| answer(&plan, id, std::slice::from_ref(state), &facts, NOW)).collect()
        };
        let mut before = all(&state);
        for happened in &history {
            let touched: BTreeSet<u32> = plan.apply(&mut state, &happened.event, &zone()).into_iter().collect();
            let after = all(&state);
            for (id, (before, after)) in (0..).zip(before.iter().zip(&after)) {
                prop_assert!(before == after || touched.contains(&id), "{}", conditions[id as usize].source());
            }
            before = after;
        }
    }

    #[test]
    fn lacking_series_are_filled_from_history(
        old in conditions(), new in conditions(), history in happenings(), facts in facts()
    ) {
        let (old, new) = (plan(&compile(&old)), compile(&new));
        let (live, backlog): (Vec<_>, Vec<_>) = history.iter().cloned().partition(|happened| happened.late);
        let mut states = states(&old, &backlog);
        let next = plan(&new);
        let lacking = next.lacking(&old.series());
        let filling = next.only(&lacking);
        for (record, state) in states.iter_mut().enumerate() {
            lacking.iter().for_each(|series| state.forget(*series));
            next.prune(state);
            for happened in live.iter().filter(|happened| happened.record == record) {
                next.apply(state, &happened.event, &zone());
            }
            let mut filled = State::new();
            for happened in backlog.iter().filter(|happened| happened.record == record) {
                filling.apply(&mut filled, &happened.event, &zone());
            }
            state.merge(filled);
        }
        for (id, condition) in (0..).zip(&new) {
            let holds = answer(&next, id, &states, &facts, NOW).holds;
            prop_assert_eq!(holds, whole(condition, &facts, &history, NOW), "{}", condition.source());
        }
    }

    #[test]
    fn sequences_over_few_moments(sources in proptest::collection::vec(sequence(), 1..6), history in crowded(), facts in facts()) {
        let conditions = compile(&sources);
        let plan = plan(&conditions);
        let states = states(&plan, &history);
        for (id, condition) in (0..).zip(&conditions) {
            let holds = answer(&plan, id, &states, &facts, NOW).holds;
            prop_assert_eq!(holds, whole(condition, &facts, &history, NOW), "{}", condition.source());
        }
    }

    #[test]
    fn damaged_states_are_refused_and_nothing_worse(mut bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = State::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(state) = State::decode(&bytes) {
            prop_assert_eq!(State::decode(&state.encode()).unwrap(), state);
        }
    }
}
