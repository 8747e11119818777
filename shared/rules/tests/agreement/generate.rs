//! Random conditions over every operator and aggregate, random histories, and the moments at which something may change.

use std::collections::BTreeSet;

use kernel::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost_types::value::Kind;
use rules::Facts;
use serde_json::json;
use wire::event::Event;

/// 2026-11-21T12:00:00+08:00.
pub(crate) const NOW: Time = Time(1_795_233_600_000_000);
const HOUR: i64 = 3_600_000_000;
/// Every length that conditions use, in hours.
const LENGTHS: [i64; 4] = [12, 24, 48, 120];
/// Every time that conditions write, in hours from now.
const LITERALS: [i64; 3] = [-30, 6, 40];

/// An event, the record it was seen on, and whether it comes in by another way.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) event: Event,
    pub(crate) record: usize,
    pub(crate) late: bool,
}

fn text(hours: i64) -> String {
    format!("timestamp(\"{}\")", Time(NOW.0 + hours * HOUR))
}

fn property(kind: Kind) -> prost_types::Value {
    prost_types::Value { kind: Some(kind) }
}

fn happening() -> impl Strategy<Value = Happened> {
    let number = prop_oneof![
        4 => (-2_i32..6).prop_map(|n| Some(property(Kind::NumberValue(f64::from(n) * 0.1)))),
        1 => Just(Some(property(Kind::NumberValue(1.0 / 3.0)))),
        1 => Just(Some(property(Kind::StringValue("三".to_owned())))),
        1 => Just(None),
    ];
    let kind = select(vec![Some("茶"), Some("酒"), None]);
    let names = select(vec!["a", "a", "b", "c", "segment.entered", "identified"]);
    let time = (-140_i64..60, select(vec![0, 0, 0, 1, -1]))
        .prop_map(|(hours, off)| Time(NOW.0 + hours * HOUR + off));
    (names, time, number, kind, 0_usize..3, any::<bool>()).prop_map(
        |(name, time, number, kind, record, late)| {
            let mut fields = std::collections::BTreeMap::new();
            fields.extend(number.map(|number| ("n".to_owned(), number)));
            fields.extend(kind.map(|kind| ("k".to_owned(), property(Kind::StringValue(kind.to_owned())))));
            let properties = Some(prost_types::Struct { fields });
            Happened {
                event: Event {
                    name: name.to_owned(),
                    time: Some(time.into()),
                    properties,
                    ..Event::default()
                },
                record,
                late,
            }
        },
    )
}

/// A history, with the same moments more than once, late and future ones.
pub(crate) fn happenings() -> impl Strategy<Value = Vec<Happened>> {
    vec(happening(), 0..14)
}

/// A history of few moments with several events at each.
pub(crate) fn crowded() -> impl Strategy<Value = Vec<Happened>> {
    let squeeze = |mut all: Vec<Happened>| {
        for happened in &mut all {
            let hours = happened.event.time.as_ref().map_or(0, |time| time.seconds / 3_600);
            happened.event.time = Some(Time(NOW.0 - hours.rem_euclid(4) * HOUR * 12).into());
        }
        all
    };
    vec(happening(), 0..6).prop_map(squeeze)
}

/// Moments to ask at.
pub(crate) fn nows() -> impl Strategy<Value = Vec<Time>> {
    vec((-150_i64..200, -1_i64..2).prop_map(|(hours, off)| Time(NOW.0 + hours * HOUR + off)), 1..5)
}

/// Every moment at which a condition may change by itself, with one microsecond before and after.
pub(crate) fn moments(history: &[Happened]) -> BTreeSet<Time> {
    let times =
        history.iter().filter_map(|happened| happened.event.time.as_ref()).map(|time| Time::from(time).0);
    let starts = times.chain(LITERALS.map(|hours| NOW.0 + hours * HOUR));
    let lengths = [0].into_iter().chain(LENGTHS).flat_map(|hours| [hours * HOUR, -hours * HOUR]);
    let lengths: Vec<i64> = lengths.collect();
    starts
        .flat_map(|start| {
            lengths.iter().flat_map(move |length| (-1..2).map(move |off| Time(start + length + off)))
        })
        .collect()
}

/// What is known of the customer.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let city = select(vec![json!("上海"), json!("北京"), json!(null), json!(7)]);
    (city, select(vec![vec![], vec!["vip"], vec!["vip", "new"]]), select(vec![None, Some(-0.5), Some(2.0)]))
        .prop_map(|(city, tags, score)| Facts {
            attributes:
                json!({"city": city, "since": Time(NOW.0 - 30 * HOUR).to_string(), "list": ["茶", 2]})
                    .as_object()
                    .cloned()
                    .unwrap(),
            tags: tags.into_iter().map(str::to_owned).collect(),
            scores: score.into_iter().map(|score| ("s".to_owned(), score)).collect(),
        })
}

/// A few conditions.
pub(crate) fn conditions() -> impl Strategy<Value = Vec<String>> {
    vec(condition(), 1..4)
}

fn condition() -> impl Strategy<Value = String> {
    atom().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} && {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} || {r})")),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(test, l, r)| format!("({test} ? {l} : {r})")),
            (inner.clone(), inner).prop_map(|(l, r)| format!("(({l}) == ({r}))")),
        ]
    })
}

fn filter() -> impl Strategy<Value = String> {
    select(vec![
        "e.properties.n > 0.1".to_owned(),
        "e.properties.k == \"茶\"".to_owned(),
        "has(e.properties.k) && e.name != \"c\"".to_owned(),
        "e.properties.n in [0.1, 0.2, \"三\"]".to_owned(),
        format!("e.time > {}", text(-30)),
    ])
}

fn selection() -> impl Strategy<Value = String> {
    let name = select(vec!["\"a\"", "\"b\"", "\"segment.entered\"", ""]);
    (name, proptest::option::of(filter())).prop_map(|(name, filter)| match (name, filter) {
        ("", filter) => format!("events({})", filter.unwrap_or_default()),
        (name, None) => format!("events({name})"),
        (name, Some(filter)) => format!("events({name}, {filter})"),
    })
}

fn within() -> impl Strategy<Value = String> {
    let window = select(LENGTHS.to_vec()).prop_map(|hours| format!(".within(\"{hours}h\")"));
    prop_oneof![1 => Just(String::new()), 3 => window]
}

fn number() -> impl Strategy<Value = String> {
    let what = select(vec![
        "count()",
        "count()",
        "sum(\"n\")",
        "min(\"n\")",
        "max(\"n\")",
        "avg(\"n\")",
        "distinct(\"k\")",
        "distinct(\"n\")",
        "distinct_days()",
        "streak_days()",
    ]);
    (selection(), within(), what).prop_map(|(events, within, what)| format!("{events}{within}.{what}"))
}

fn moment() -> impl Strategy<Value = String> {
    let what = select(vec!["first()", "last()"]);
    let aggregate =
        (selection(), within(), what).prop_map(|(events, within, what)| format!("{events}{within}.{what}"));
    prop_oneof![
        3 => aggregate,
        1 => select(LITERALS.to_vec()).prop_map(text),
        1 => Just("profile.since".to_owned()),
        1 => Just("timestamp(profile.since)".to_owned()),
    ]
}

fn order() -> impl Strategy<Value = &'static str> {
    select(vec!["<", "<=", ">", ">=", "==", "!="])
}

fn constant() -> impl Strategy<Value = &'static str> {
    select(vec!["0", "1", "2", "0.3", "-0.2", "3"])
}

fn length() -> impl Strategy<Value = String> {
    select(LENGTHS.to_vec()).prop_map(|hours| format!("duration(\"{hours}h\")"))
}

fn steps() -> impl Strategy<Value = String> {
    vec(select(vec!["\"a\"", "\"b\"", "\"c\""]), 1..4).prop_map(|names| names.join(", "))
}

pub(crate) fn sequence() -> impl Strategy<Value = String> {
    (steps(), within()).prop_map(|(steps, within)| format!("sequence({steps}){within}"))
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (number(), order(), constant()).prop_map(|(l, order, r)| format!("{l} {order} {r}")),
        2 => (constant(), order(), number()).prop_map(|(l, order, r)| format!("{l} {order} {r}")),
        2 => (number(), order(), number()).prop_map(|(l, order, r)| format!("{l} {order} {r}")),
        2 => (number(), select(vec!["+", "-", "*", "/", "%"]), number(), order(), constant())
            .prop_map(|(l, sign, r, order, constant)| format!("{l} {sign} -{r} {order} {constant}")),
        1 => number().prop_map(|number| format!("{number} in [0, 2, 0.1]")),
        1 => (number(), order()).prop_map(|(number, order)| if order == "==" { format!("{number} == null") } else { format!("{number} != null") }),
        3 => sequence(),
        2 => (moment(), order(), moment()).prop_map(|(l, order, r)| format!("{l} {order} {r}")),
        2 => (moment(), order()).prop_map(|(l, order)| format!("now {order} {l}")),
        2 => (moment(), order(), length()).prop_map(|(l, order, r)| format!("now - {l} {order} {r}")),
        1 => (moment(), order(), length()).prop_map(|(l, order, r)| format!("{l} + {r} {order} now")),
        1 => (length(), order(), moment()).prop_map(|(l, order, r)| format!("{l} {order} {r} - now")),
        1 => (moment(), length(), moment()).prop_map(|(one, length, other)| format!("(now - {one}) + (now - {other}) > {length}")),
        1 => moment().prop_map(|one| format!("(\"vip\" in tags ? now : {one}) > {}", text(6))),
        1 => select(LITERALS.to_vec()).prop_map(|hours| format!("now in [{}]", text(hours))),
        2 => select(vec![
            "profile.city == \"上海\"", "\"vip\" in tags", "size(tags) > 1", "scores.s >= 0", "in_segment(\"high_value\")",
            "in_segment(\"no\")", "has(profile.city)", "profile.city < 9", "profile.city.startsWith(\"上\")", "2 in profile.list",
            "profile.city != null", "true", "profile.city",
        ]).prop_map(str::to_owned),
    ]
}
