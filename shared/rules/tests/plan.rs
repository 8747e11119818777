//! A plan tells what to evaluate after which change, and when answers change by themselves.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use kernel::Time;
use rules::{Answer, Condition, Facts, Plan, Schema, State, View};
use wire::event::Event;

const DAY: i64 = 86_400_000_000;
const NOW: Time = Time(1_795_233_600_000_000);

fn plan(sources: &[&str]) -> Plan {
    let compile = |source: &&str| Condition::customer(source, &Schema::open()).unwrap();
    let conditions: Vec<Condition> = sources.iter().map(compile).collect();
    Plan::new((0..).zip(&conditions))
}

fn event(name: &str, days_ago: i64) -> Event {
    Event { name: name.to_owned(), time: Some(Time(NOW.0 - days_ago * DAY).into()), ..Event::default() }
}

fn state(plan: &Plan, events: &[Event]) -> State {
    let mut state = State::new();
    events.iter().for_each(|event| drop(plan.apply(&mut state, event, &TimeZone::UTC)));
    state
}

fn answer(source: &str, events: &[Event]) -> Answer {
    let plan = plan(&[source]);
    let state = state(&plan, events);
    let view = View { states: &[&state], facts: &Facts::default(), segments: &|_| false, event: None };
    plan.evaluate(0, &view, NOW, &TimeZone::UTC)
}

/// An answer that changes after so many days.
fn until(holds: bool, days: i64) -> Answer {
    Answer { holds, until: Some(Time(NOW.0 + days * DAY)) }
}

#[test]
fn silence_falls_when_the_last_event_leaves_the_window() {
    let source = "events().within(\"30d\").count() == 0";
    let visits: Vec<Event> = (2..25).map(|days| event("app_opened", days)).collect();
    assert_eq!(answer(source, &visits), until(false, 28));
    assert_eq!(answer(source, &[]), Answer { holds: true, until: None });
    assert_eq!(answer(source, &[event("app_opened", 40)]), Answer { holds: true, until: None });
}

#[test]
fn a_count_changes_when_enough_have_left() {
    let orders = [
        event("order_completed", 1),
        event("order_completed", 5),
        event("order_completed", 9),
        event("order_completed", 20),
    ];
    assert_eq!(answer("events(\"order_completed\").within(\"30d\").count() >= 3", &orders), until(true, 21));
    assert_eq!(
        answer("events(\"order_completed\").within(\"30d\").count() > 5", &orders),
        Answer { holds: false, until: None }
    );
    assert_eq!(
        answer("events(\"order_completed\").count() > 3", &orders),
        Answer { holds: true, until: None }
    );
    assert_eq!(answer("events(\"order_completed\").within(\"30d\").count() == 2", &orders), until(false, 21));
}

#[test]
fn an_event_with_a_time_to_come_counts_from_then_on() {
    let source = "events(\"appointment\").within(\"7d\").count() > 0";
    assert_eq!(answer(source, &[event("appointment", -3)]), until(false, 3));
}

#[test]
fn a_sequence_ends_with_its_latest_beginning() {
    let source = "sequence(\"product_viewed\", \"order_completed\").within(\"7d\")";
    let events = [
        event("product_viewed", 6),
        event("product_viewed", 3),
        event("order_completed", 1),
        event("product_viewed", 0),
    ];
    assert_eq!(answer(source, &events), until(true, 4));
}

#[test]
fn now_itself_moves() {
    let source = "now - events(\"order_completed\").last() > duration(\"10d\")";
    let crossed = Time(NOW.0 + 6 * DAY + 1);
    assert_eq!(answer(source, &[event("order_completed", 4)]), Answer { holds: false, until: Some(crossed) });
    assert_eq!(answer(source, &[event("order_completed", 14)]), Answer { holds: true, until: None });
}

#[test]
fn one_part_that_decides_is_enough() {
    let source = "profile.city == \"上海\" && events(\"order_completed\").within(\"30d\").count() > 0";
    assert_eq!(answer(source, &[event("order_completed", 4)]), Answer { holds: false, until: None });
}

#[test]
fn changes_touch_those_who_read_them() {
    let plan = plan(&[
        "profile.address.city == \"上海\"",
        "\"vip\" in tags || size(tags) > 3",
        "\"new\" in tags",
        "scores.engagement > 60",
        "in_segment(\"high_value\") && profile.age > 18",
        "events(\"order_completed\", profile_is.x > 1).count() > 0"
            .replace("profile_is.x", "e.properties.x")
            .as_str(),
        "events().count() > 0",
    ]);
    assert_eq!(plan.on_attributes(["address", "age"]).ids(), [0, 4]);
    assert_eq!(plan.on_tags(["new"]).ids(), [1, 2]);
    assert_eq!(plan.on_tags(["other"]).ids(), [1]);
    assert_eq!(plan.on_scores(["engagement"]).ids(), [3]);
    assert_eq!(plan.on_segments(["high_value"]).ids(), [4]);
    let mut state = State::new();
    assert_eq!(
        plan.apply(&mut state, &event("order_completed", 0), &TimeZone::UTC).ids(),
        [6],
        "the filter refuses it"
    );
    assert!(plan.apply(&mut state, &event("segment.entered", 0), &TimeZone::UTC).is_empty());
    assert!(
        plan.looks_at("order_completed") && plan.looks_at("app_opened") && !plan.looks_at("segment.entered")
    );
}

#[test]
fn series_are_shared_and_keep_their_ids() {
    let one = plan(&[
        "events(\"a\", e.properties.x > 1).within(\"7d\").count() > 1",
        "events(\"a\",e.properties.x>1).within(\"30d\").streak_days() > 1",
        "events(\"a\").within(\"7d\").count() > 1",
    ]);
    let series = one.series();
    assert_eq!(series.len(), 2, "windows and aggregates share points");
    let windows: BTreeSet<_> = series.iter().filter_map(|series| series.window).collect();
    assert_eq!(windows, BTreeSet::from([Duration::from_secs(7 * 86_400), Duration::from_secs(30 * 86_400)]));
    let ids: BTreeMap<u64, Option<Duration>> =
        series.iter().map(|series| (series.id, series.window)).collect();
    // Written down once: states are stored under these ids.
    assert_eq!(
        ids.keys().copied().collect::<Vec<_>>(),
        [8_275_781_694_223_042_016, 14_116_144_668_559_710_521]
    );

    let grown = plan(&["events(\"a\").within(\"8d\").count() > 1", "events(\"a\").count() > 1"]);
    assert_eq!(grown.lacking(&series).len(), 2, "a larger window and a new total");
    assert!(plan(&["events(\"a\").within(\"2d\").count() > 1"]).lacking(&series).is_empty());
}

#[test]
fn states_are_small() {
    let plan = plan(&["events(\"a\").within(\"1000d\").count() > 1", "events(\"a\").sum(\"x\") > 1"]);
    let events: Vec<Event> = (0..100).map(|days| event("a", days)).collect();
    assert!(state(&plan, &events).encode().len() < 700, "six bytes for a day's distance in microseconds");
    let mut state = state(&plan, &events);
    plan.expire(&mut state, Time(NOW.0 + 2_000 * DAY));
    assert!(state.is_empty());
}
