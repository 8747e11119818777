//! Every sentence of the language's description, as an example.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use kernel::Time;
use rules::{Condition, Customer, Facts, Plan, Schema, State, View};
use serde_json::json;
use wire::event::Event;

const NOW: &str = "2026-11-21T12:00:00+08:00";

fn time(text: &str) -> Time {
    Time::parse(text).unwrap()
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn value(json: &serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(bool) => Kind::BoolValue(*bool),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.iter().map(value).collect() })
        }
        serde_json::Value::Object(_) => Kind::StructValue(bag(json)),
    };
    prost_types::Value { kind: Some(kind) }
}

fn bag(json: &serde_json::Value) -> prost_types::Struct {
    let fields = json.as_object().into_iter().flatten().map(|(name, json)| (name.clone(), value(json)));
    prost_types::Struct { fields: fields.collect() }
}

fn event(name: &str, at: &str, properties: serde_json::Value) -> Event {
    Event {
        name: name.to_owned(),
        time: Some(time(at).into()),
        properties: Some(bag(&properties)),
        ..Event::default()
    }
}

fn facts() -> Facts {
    Facts {
        attributes: json!({
            "city": "上海", "name": "王芳", "age": 30, "vip": true, "birthday": "1996-03-08", "likes": ["茶", "旅行"],
            "address": {"city": "上海", "zip": "200000"}
        })
        .as_object()
        .cloned()
        .unwrap(),
        tags: BTreeSet::from(["vip".to_owned(), "travel_lover".to_owned()]),
        scores: BTreeMap::from([("engagement".to_owned(), 72.5)]),
    }
}

fn history() -> Vec<Event> {
    let order =
        |at: &str, total: f64| event("order_completed", at, json!({"total": total, "item": {"sku": "A"}}));
    let view = |at: &str, category: &str| event("product_viewed", at, json!({"category": category}));
    vec![
        order("2026-11-20T20:00:00+08:00", 199.9),
        order("2026-11-10T09:00:00+08:00", 100.1),
        order("2026-10-25T23:59:00+08:00", 2_000.0),
        order("2026-06-01T10:00:00+08:00", 3_000.0),
        view("2026-11-19T00:30:00+08:00", "travel"),
        view("2026-11-20T10:00:00+08:00", "travel"),
        view("2026-11-21T08:00:00+08:00", "travel"),
        view("2026-11-21T09:00:00+08:00", "food"),
        event("cart_added", "2026-11-20T11:00:00+08:00", json!({})),
        event("segment.entered", "2026-11-21T11:00:00+08:00", json!({})),
        event("identified", "2026-11-21T11:30:00+08:00", json!({})),
    ]
}

/// Both ways, which must agree.
fn holds(source: &str) -> bool {
    holds_over(source, &history())
}

fn holds_over(source: &str, history: &[Event]) -> bool {
    let condition =
        Condition::customer(source, &Schema::open()).unwrap_or_else(|problems| panic!("{problems}"));
    let (facts, now, zone) = (facts(), time(NOW), zone());
    let segments = |key: &str| key == "high_value";
    let borrowed: Vec<&Event> = history.iter().collect();
    let customer = Customer { facts: &facts, history: &borrowed, segments: &segments };
    let whole = condition.holds(&customer, now, &zone);
    let plan = Plan::new([(7, &condition)]);
    let mut state = State::new();
    for event in history {
        plan.apply(&mut state, event, &zone);
    }
    let view = View { states: &[&state], facts: &facts, segments: &segments, event: None };
    assert_eq!(plan.evaluate(7, &view, now, &zone).holds, whole, "{source}");
    whole
}

fn check(cases: &[(&str, bool)]) {
    for (source, expected) in cases {
        assert_eq!(holds(source), *expected, "{source}");
    }
}

#[test]
fn the_examples_of_the_description() {
    check(&[
        (r#"profile.city == "上海" && "vip" in tags"#, true),
        (r#"events("order_completed", e.properties.total > 100).within("30d").count() >= 3"#, true),
        (r#"events("order_completed", e.properties.total > 100).within("2w").count() >= 3"#, false),
        (
            r#"events("product_viewed", e.properties.category == "travel").within("3d").streak_days() >= 3"#,
            true,
        ),
        (r#"events().within("30d").count() == 0"#, false),
        (r#"events("order_completed").sum("total") > 5000"#, true),
        (r#"sequence("product_viewed", "cart_added", "order_completed").within("7d")"#, true),
        (r#"in_segment("high_value") && scores.engagement >= 60"#, true),
        (r#"in_segment("silent_30d")"#, false),
    ]);
}

#[test]
fn aggregates() {
    check(&[
        (r#"events("order_completed").count() == 4"#, true),
        (r#"events("order_completed").sum("total") == 5300"#, true),
        (r#"events("order_completed").within("30d").sum("total") == 2300"#, true),
        (r#"events("order_completed").min("total") == 100.1"#, true),
        (r#"events("order_completed").max("total") == 3000"#, true),
        (r#"events("order_completed").within("12d").avg("total") == 150"#, true),
        (r#"events("product_viewed").distinct("category") == 2"#, true),
        (r#"events("order_completed").distinct("item.sku") == 1"#, true),
        (r#"events("product_viewed").distinct_days() == 3"#, true),
        (r#"events("product_viewed").streak_days() == 3"#, true),
        (r#"events("order_completed").streak_days() == 1"#, true),
        (r#"events("order_completed").first() == timestamp("2026-06-01T02:00:00Z")"#, true),
        (r#"now - events("order_completed").last() < duration("1d")"#, true),
        (r#"now - events("order_completed").last() < duration("16h")"#, false),
    ]);
}

#[test]
fn nothing_adds_up_to_nothing() {
    for (source, expected) in [
        (r#"events("x").count() == 0 && events("x").sum("y") == 0 && events("x").distinct("y") == 0"#, true),
        (r#"events("x").distinct_days() == 0 && events("x").streak_days() == 0"#, true),
        (
            r#"events("x").min("y") == null && events("x").max("y") == null && events("x").avg("y") == null"#,
            true,
        ),
        (r#"events("x").within("3d").first() == null && events("x").last() == null"#, true),
        (r#"events("x").max("y") < 5 || events("x").max("y") >= 5"#, false),
        (r#"sequence("x")"#, false),
    ] {
        assert_eq!(holds_over(source, &[]), expected, "{source}");
    }
}

#[test]
fn a_window_leaves_its_beginning_out_and_takes_now_in() {
    let at = |text: &str| [event("app_opened", text, json!({}))];
    let source = r#"events("app_opened").within("1d").count() == 1"#;
    assert!(!holds_over(source, &at("2026-11-20T12:00:00+08:00")));
    assert!(holds_over(source, &at("2026-11-20T12:00:00.000001+08:00")));
    assert!(holds_over(source, &at("2026-11-21T12:00:00+08:00")));
    assert!(!holds_over(source, &at("2026-11-21T12:00:00.000001+08:00")));
    assert!(
        holds_over(r#"events("app_opened").count() == 1"#, &at("2027-01-01")),
        "without a window: whatever its time"
    );
}

#[test]
fn days_begin_at_midnight_in_the_zone() {
    let around = [
        event("app_opened", "2026-11-20T23:30:00+08:00", json!({})),
        event("app_opened", "2026-11-21T00:30:00+08:00", json!({})),
    ];
    assert!(holds_over(r#"events("app_opened").distinct_days() == 2"#, &around));
    assert!(holds_over(r#"events("app_opened").within("3d").streak_days() == 2"#, &around));
}

#[test]
fn behaviour_is_what_the_customer_did() {
    check(&[
        (r#"events().within("3h").count() == 1"#, false),
        (r#"events().count() == 9"#, true),
        (r#"events("segment.entered").count() == 1"#, true),
        (r#"events("identified").count() == 1"#, true),
        (r#"events(e.properties.category == "travel").count() == 3"#, true),
    ]);
    assert!(holds_over("events().count() == 1", &[event("wechat.subscribed", NOW, json!({}))]));
}

#[test]
fn a_sequence_keeps_its_order_with_others_between() {
    let at = |name: &str, hour: u32| event(name, &format!("2026-11-21T{hour:02}:00:00+08:00"), json!({}));
    let source = r#"sequence("a", "b", "a").within("1d")"#;
    assert!(holds_over(source, &[at("a", 1), at("x", 2), at("b", 3), at("b", 4), at("a", 5)]));
    assert!(!holds_over(source, &[at("a", 1), at("a", 2), at("b", 3)]));
    assert!(!holds_over(source, &[at("b", 1), at("a", 2)]));
    assert!(holds_over(source, &[at("a", 3), at("b", 3), at("a", 3)]), "the same moment keeps any order");
    assert!(!holds_over(source, &[at("a", 3), at("b", 3)]), "one event is one step");
    assert!(!holds_over(r#"sequence("a", "b").within("2h")"#, &[at("a", 3), at("b", 11)]));
    assert!(holds_over(r#"sequence("a", "b")"#, &[at("b", 11), at("a", 3)]));
}

#[test]
fn missing_and_unlike_values() {
    check(&[
        ("profile.nothing == null", true),
        ("profile.nothing != null", false),
        (r#"profile.nothing != "x""#, true),
        (r#"profile.nothing == "x""#, false),
        ("profile.nothing < 5 || profile.nothing >= 5", false),
        ("profile.city < 5", false),
        ("profile.city == 5", false),
        ("has(profile.city) && !has(profile.nothing)", true),
        ("has(profile.address.zip) && !has(profile.address.street)", true),
        (r#"profile.address.city == "上海""#, true),
        (r#"profile["city"] == "上海""#, true),
        ("scores.nothing == null", true),
        ("profile.vip", true),
        ("!profile.nothing", true),
        ("profile.age / 0 == null", true),
    ]);
}

#[test]
fn numbers_texts_times_and_lists() {
    check(&[
        ("profile.age == 30.0 && profile.age >= 30", true),
        ("7 / 2 == 3.5 && 7 % 4 == 3 && -profile.age == -30", true),
        (r#"profile.city in ["北京", "上海"]"#, true),
        (r#""茶" in profile.likes && size(profile.likes) == 2 && !("酒" in profile.likes)"#, true),
        ("size(tags) == 2 && tags.size() == 2", true),
        (
            r#"profile.name.startsWith("王") && profile.name.endsWith("芳") && profile.name.contains("王芳")"#,
            true,
        ),
        (r#"size(profile.name) == 2"#, true),
        (r#"profile.name + "女士" == "王芳女士""#, true),
        (r#"profile.birthday < timestamp("2000-01-01")"#, true),
        (r#"timestamp(profile.birthday) + duration("1d") == timestamp("1996-03-09")"#, true),
        (r#"now == timestamp("2026-11-21T04:00:00Z")"#, true),
        (r#"profile.age > 18 ? "vip" in tags : false"#, true),
        (r#"duration("1d") == duration("24h")"#, true),
    ]);
}

#[test]
fn conditions_on_one_event_read_nothing_else() {
    let mut order =
        event("order_completed", NOW, json!({"total": 120, "item": {"price": 60}, "城市": "上海"}));
    order.context = Some(wire::event::Context {
        channel: "wechat".to_owned(),
        campaign: Some(wire::event::Campaign { source: "双十一".to_owned(), ..Default::default() }),
        page: Some(wire::event::Page { path: "/cart".to_owned(), ..Default::default() }),
        device: Some(bag(&json!({"os": {"name": "iOS"}}))),
        ..Default::default()
    });
    for (source, expected) in [
        (r#"e.name == "order_completed" && event.properties.total > 100"#, true),
        ("e.properties.item.price * 2 == e.properties.total", true),
        (r#"e.context.channel == "wechat" && e.context.campaign.source == "双十一""#, true),
        (r#"e.context.page.path.startsWith("/cart") && e.context.device.os.name == "iOS""#, true),
        (r#"e.properties["城市"] == "上海""#, true),
        ("has(e.properties.item.price) && !has(e.properties.item.sku) && e.context.locale == null", true),
        (r#"e.time < timestamp("2026-11-21")"#, false),
        ("e.properties.total.x == 1", false),
    ] {
        let condition =
            Condition::event(source, &Schema::open()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(condition.matches(&order), expected, "{source}");
        assert!(condition.uses().event, "{source}");
    }
}

#[test]
fn a_trigger_reads_the_event_and_the_customer() {
    let source = r#"event.properties.total > 100 && profile.city == "上海" && events("order_completed", e.properties.total > 1000).count() >= 2"#;
    let condition = Condition::trigger(source, &Schema::open()).unwrap();
    let (facts, now, zone, history) = (facts(), time(NOW), zone(), history());
    let history: Vec<&Event> = history.iter().collect();
    let customer = Customer { facts: &facts, history: &history, segments: &|_| false };
    let order = |total: f64| event("order_completed", NOW, json!({"total": total}));
    assert!(condition.holds_for_trigger(&order(150.0), &customer, now, &zone));
    assert!(!condition.holds_for_trigger(&order(50.0), &customer, now, &zone));
    assert!(!condition.holds(&customer, now, &zone), "no event, nothing to trigger");
}

#[test]
fn uses_are_named() {
    let source = r#"profile.address.city == "上海" && "vip" in tags && scores.engagement > 1 && in_segment("a")
        && events("x", e.properties.y > 1).count() > events().count() && sequence("p", "q")"#;
    let uses = Condition::customer(source, &Schema::open()).unwrap().uses().clone();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(uses.attributes, set(&["address"]));
    assert_eq!((uses.tags, uses.any_tag), (set(&["vip"]), false));
    assert_eq!((uses.scores, uses.segments), (set(&["engagement"]), set(&["a"])));
    assert_eq!(uses.event_names, set(&["x", "p", "q"]));
    assert!(uses.any_event && uses.behaviour && !uses.event && !uses.now);
}

#[test]
fn an_answer_is_explained_part_by_part() {
    let source = r#"profile.city == "上海" && events("order_completed").within("30d").sum("total") > 5000"#;
    let condition = Condition::customer(source, &Schema::open()).unwrap();
    let mut history = history();
    for (n, event) in history.iter_mut().enumerate() {
        event.id = format!("事件{n}");
    }
    let history: Vec<&Event> = history.iter().collect();
    let (facts, now, zone) = (facts(), time(NOW), zone());
    let customer = Customer { facts: &facts, history: &history, segments: &|_| false };
    let explained = condition.explain(None, &customer, now, &zone);
    assert_eq!(explained.value, json!(false));
    let [city, sum] = explained.parts.as_slice() else { panic!("{explained:?}") };
    assert_eq!((city.text.as_str(), &city.value), ("(profile.city == \"上海\")", &json!(true)));
    assert_eq!(city.parts[0].value, json!("上海"));
    assert_eq!((&sum.value, &sum.parts[0].value), (&json!(false), &json!(2300.0)));
    assert_eq!(sum.parts[0].events, ["事件2", "事件1", "事件0"], "by time");
}
