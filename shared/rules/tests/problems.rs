//! Mistakes are found when a condition is saved, at their place, with a remedy; and no text does harm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rules::{Condition, Problems, Schema, Type};

fn schema() -> Schema {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let types = |names: &[(&str, Type)]| {
        names.iter().map(|(name, of)| ((*name).to_owned(), *of)).collect::<BTreeMap<_, _>>()
    };
    let order = types(&[
        ("total", Type::Number),
        ("category", Type::Text),
        ("item", Type::Any),
        ("paid_at", Type::Time),
    ]);
    Schema {
        attributes: Some(types(&[
            ("city", Type::Text),
            ("age", Type::Number),
            ("vip", Type::Bool),
            ("birthday", Type::Time),
            ("address.city", Type::Text),
            ("extra", Type::Any),
        ])),
        events: Some(BTreeMap::from([
            ("order_completed".to_owned(), Some(order)),
            ("product_viewed".to_owned(), None),
        ])),
        tags: Some(set(&["vip", "travel_lover"])),
        segments: Some(set(&["high_value"])),
        scores: Some(set(&["engagement"])),
    }
}

/// The only problem of a condition: line, column, reason, message.
fn problem(made: Result<Condition, Problems>) -> (usize, usize, &'static str, String) {
    let problems = made.expect_err("must be refused");
    let list: Vec<_> = problems.iter().collect();
    assert_eq!(list.len(), 1, "{problems}");
    (list[0].line, list[0].column, list[0].reason, list[0].message.clone())
}

#[test]
fn mistakes_have_a_place_a_reason_and_a_remedy() {
    for (source, line, column, reason, part) in [
        ("", 1, 1, "empty", "write `true`"),
        (
            r#"profile.city == "上海" && profile.citi == "上海""#,
            1,
            33,
            "unknown_attribute",
            "did you mean `city`?",
        ),
        (
            "profile.city == \"上海\" &&\n  profile.age > \"十八\"",
            2,
            15,
            "type",
            "a number cannot be compared with a text",
        ),
        (r#""上海" == "北京" || "vap" in tags"#, 1, 17, "unknown_tag", "did you mean `vip`?"),
        (r#"profile.city == "上海" && event("x")"#, 1, 25, "unknown_function", "did you mean `events`?"),
        (r#"in_segment("high_valu")"#, 1, 12, "unknown_segment", "did you mean `high_value`?"),
        ("scores.engagment > 3", 1, 8, "unknown_score", "did you mean `engagement`?"),
        (r#"events("order_complete").count() > 1"#, 1, 8, "unknown_event", "did you mean `order_completed`?"),
        (
            r#"events("order_completed", e.properties.totl > 1).count() > 1"#,
            1,
            40,
            "unknown_property",
            "`total`?",
        ),
        (r#"events("order_completed").sum("category") > 1"#, 1, 31, "type", "takes numbers"),
        (
            r#"events("order_completed").sum("totals") > 1"#,
            1,
            31,
            "unknown_property",
            "did you mean `total`?",
        ),
        (r#"events("order_completed").within("30x").count() > 1"#, 1, 34, "duration", "such as 30m"),
        (r#"events("order_completed").within("4000d").count() > 1"#, 1, 34, "duration", "ten years"),
        (r#"events("order_completed").within("0d").count() > 1"#, 1, 34, "duration", "no length"),
        (r#"events("order_completed").within("3d") && true"#, 1, 1, "no_aggregate", ".count()"),
        (
            r#"events("order_completed").within("3d").total() > 1"#,
            1,
            40,
            "unknown_function",
            "there are count, sum",
        ),
        (r#"events("order_completed").count("total") > 1"#, 1, 27, "arguments", "takes nothing"),
        (r#"events("order_completed").sum() > 1"#, 1, 27, "arguments", "sum(\"total\")"),
        (r#"events("order_completed").count()"#, 1, 27, "not_a_condition", "compare it"),
        (
            r#"events("order_completed", profile.city == e.name).count() > 1"#,
            1,
            27,
            "out_of_scope",
            "nothing but `e`",
        ),
        (r#"events("order_completed", e.time > now).count() > 1"#, 1, 36, "out_of_scope", "nothing but `e`"),
        (
            r#"events("order_completed", events().count() > 1).count() > 1"#,
            1,
            27,
            "out_of_scope",
            "nothing but `e`",
        ),
        (r#"e.properties.total > 1"#, 1, 1, "out_of_scope", "inside events"),
        (r#"sequence()"#, 1, 1, "arguments", "names"),
        (r#"sequence("order_completed").count() > 1"#, 1, 29, "unknown_function", "by itself"),
        ("profile.vip < true", 1, 13, "type", "yes-or-no"),
        ("profile.vip + 1 == 2", 1, 13, "type", "does not go"),
        ("profile.age && true", 1, 8 + 1, "type", "a number"),
        (r#"profile.birthday < "昨天""#, 1, 18, "type", "a time cannot be compared"),
        (r#"timestamp("昨天") < now"#, 1, 11, "time", "is not a time"),
        (r#"duration("三天") < duration("1d")"#, 1, 10, "duration", "is not a length of time"),
        ("city == 1", 1, 1, "unknown_name", "`profile.…`"),
        ("tags.vip", 1, 6, "unknown_name", "in tags"),
        (r#"tags.contains("vip")"#, 1, 1, "type", "in it"),
        ("[1, 2].exists(x, x > 1)", 1, 8, "unsupported", "`in`"),
        (r#"profile.city.matches("^上")"#, 1, 14, "unsupported", "contains"),
        ("now in [now]", 1, 9, "unsupported", "compare"),
        (r#"profile.city == "上海" &&"#, 1, 24, "syntax", "too early"),
        (r#"profile.city == "上海"#, 1, 17, "syntax", "not closed"),
        ("profile.city = 1", 1, 14, "syntax", "not"),
        ("profile[profile.city] == 1", 1, 8, "unsupported", "quoted text"),
        ("(profile.age + 1).x == 1", 1, 19, "unsupported", "have fields"),
        ("has((profile.age + 1).x)", 1, 18, "unsupported", "have fields"),
        ("has(profile)", 1, 5, "syntax", "has()"),
    ] {
        let made = Condition::customer(source, &schema());
        if reason == "syntax" {
            let problems = made.expect_err(source);
            let first = problems.iter().next().unwrap();
            assert_eq!(
                (first.line, first.column, first.reason),
                (line, column, reason),
                "{source}\n{problems}"
            );
            assert!(first.message.contains(part), "{source}\n{problems}");
            continue;
        }
        let found = problem(made);
        assert_eq!((found.0, found.1, found.2), (line, column, reason), "{source}\n{}", found.3);
        assert!(found.3.contains(part), "{source}\n{}", found.3);
    }
}

#[test]
fn conditions_on_an_event_know_no_customer() {
    for source in ["profile.city == e.name", "\"vip\" in tags", "scores.x > 1", "now > e.time"] {
        assert_eq!(problem(Condition::event(source, &Schema::open())).2, "out_of_scope", "{source}");
    }
    assert_eq!(problem(Condition::event("in_segment(\"a\")", &Schema::open())).2, "out_of_scope");
    assert_eq!(problem(Condition::event("events().count() > 1", &Schema::open())).2, "out_of_scope");
    assert_eq!(problem(Condition::event("e.propertys.x == 1", &Schema::open())).2, "unknown_field");
    let in_filter = "events(\"x\", event.properties.y > 1).count() > 1";
    assert_eq!(problem(Condition::trigger(in_filter, &Schema::open())).2, "out_of_scope");
}

/// Where the schema knows no types, what is calculated is still no condition.
#[test]
fn what_is_neither_true_nor_false_is_refused() {
    for (source, column, part) in [
        ("profile.age + 1", 13, "a calculation"),
        ("-profile.age", 1, "a calculation"),
        ("profile.vip && profile.age - 1", 28, "a calculation"),
        ("!(profile.age + 1)", 15, "a calculation"),
        ("profile.age + 1 ? true : false", 13, "a calculation"),
        ("profile.vip ? profile.age + 1 : null", 13, "a calculation"),
        ("null", 1, "null"),
        ("\"上海\"", 1, "a text"),
        ("7", 1, "a number"),
        ("tags", 1, "a list"),
        ("now", 1, "a time"),
        ("scores.engagement", 8, "a number"),
        ("events(\"x\", e.properties.n + 1).count() > 1", 28, "a calculation"),
    ] {
        let found = problem(Condition::customer(source, &Schema::open()));
        assert_eq!((found.0, found.1), (1, column), "{source}: {}", found.3);
        assert!(found.3.contains(part), "{source}: {}", found.3);
    }
    assert_eq!(problem(Condition::event("e.name", &Schema::open())).2, "not_a_condition");
    for (source, part) in
        [("profile.city", "a text"), ("profile.age", "a number"), ("profile.age + 1", "a number")]
    {
        let found = problem(Condition::customer(source, &schema()));
        assert_eq!(found.2, "not_a_condition", "{source}");
        assert!(found.3.contains(part), "{source}: {}", found.3);
    }
    for source in
        ["profile.vip", "profile.vip && !profile.extra.blocked", "profile.vip ? profile.extra : null"]
    {
        Condition::customer(source, &schema()).unwrap_or_else(|problems| panic!("{source}\n{problems}"));
    }
}

#[test]
fn mistakes_of_writing_are_told_in_our_words() {
    for (source, column, message) in [
        ("profile.a == 1 and profile.b == 2", 16, "`and` is not expected here; write `&&`"),
        ("profile.a = 1", 11, "`=` does not stand alone; write `==`"),
        ("profile.a == “上海”", 14, "texts stand in plain quotes; write \"…\""),
        ("size（profile.a）> 1", 5, "`（` is a full-width sign; write `(`"),
        ("(profile.a == 1", 16, "a `)` is missing here"),
        ("profile.a == 1)", 15, "`)` is not expected here"),
        ("profile.a == 99999999999999999999", 14, "`99999999999999999999` cannot be read"),
        (
            "package == 1",
            1,
            "`package` is a reserved word; a field of that name is written profile[\"package\"]",
        ),
        ("profile.a == 1 \"x\"", 16, "`\"x\"` is not expected here"),
        ("", 1, "the condition is empty"),
    ] {
        let problems = Condition::customer(source, &Schema::open()).expect_err(source);
        let first = problems.iter().next().unwrap();
        assert_eq!((first.line, first.column), (1, column), "{source}\n{problems}");
        assert!(first.message.contains(message), "{source}\n{problems}");
    }
}

#[test]
fn what_is_known_is_taken() {
    for source in [
        "profile.address.city == \"上海\" && profile.extra.anything > 1 && profile.birthday < now",
        "events(\"product_viewed\", e.properties.whatever == 1).count() > 1",
        "events(\"order_completed\", e.properties.item.sku == \"A\" && e.properties.paid_at < e.time).max(\"total\") > 1",
        "events(\"order_completed\").distinct(\"category\") > 1 && profile.birthday != \"1996-03-08\"",
    ] {
        Condition::customer(source, &schema()).unwrap_or_else(|problems| panic!("{source}\n{problems}"));
    }
}

#[test]
fn every_mistake_is_reported_and_becomes_a_violation() {
    let source = "profile.citi == \"上海\" &&\n\"vap\" in tags";
    let problems = Condition::customer(source, &schema()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "1:9: there is no attribute `citi`; did you mean `city`?\n  | profile.citi == \"上海\" &&\n  |         ^\n\
         2:1: there is no tag `vap`; did you mean `vip`?\n  | \"vap\" in tags\n  | ^"
    );
    let error = problems.at("segment.condition");
    assert_eq!(error.kind, kernel::Kind::Invalid);
    assert_eq!(error.violations.len(), 2);
    assert_eq!(error.violations[1].field, "segment.condition");
    assert!(error.violations[1].description.starts_with("line 2, column 1: there is no tag"));
}

#[test]
fn limits_hold() {
    let long = format!("profile.name == \"{}\"", "长".repeat(3_000));
    assert_eq!(problem(Condition::customer(&long, &Schema::open())).2, "too_long");
    let deep = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
    assert!(Condition::customer(&deep(63), &Schema::open()).is_ok());
    assert_eq!(problem(Condition::customer(&deep(65), &Schema::open())).2, "too_deep");
    let choices = format!("{}true", "false ? false : ".repeat(60));
    assert!(
        Condition::event(&choices, &Schema::open()).unwrap().matches(&Default::default()),
        "evaluated on a usual stack"
    );
    for (open, close) in [
        ("[", "]"),
        ("size(", ")"),
        ("profile[", "]"),
        ("{1: ", "}"),
        ("-(", ")"),
        ("!(", ")"),
        ("a.f(", ")"),
    ] {
        let half = format!("{}1{}", open.repeat(31), close.repeat(31));
        let _ = Condition::customer(&half, &Schema::open());
    }
    for (unit, end) in [
        ("!", "true"),
        ("-", "1"),
        ("[", ""),
        ("{1:", ""),
        ("a?b:", "c"),
        ("f(", ""),
        ("e.", "e"),
        ("1+", "1"),
    ] {
        let source = format!("{}{end}", unit.repeat(2_000));
        assert_eq!(problem(Condition::customer(&source, &Schema::open())).2, "too_deep", "{unit}");
    }
}

#[test]
fn a_long_condition_is_read_in_no_time() {
    let source = vec!["profile.x == 1"; 400].join(" || ");
    let started = Instant::now();
    Condition::customer(&source, &Schema::open()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
}

const WORDS: [&str; 46] = [
    "profile",
    "tags",
    "scores",
    "now",
    "e",
    "event",
    "events",
    "sequence",
    "in_segment",
    "has",
    "size",
    "timestamp",
    "duration",
    "within",
    "count",
    "sum",
    "first",
    ".",
    ".",
    ".",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&&",
    "||",
    "!",
    "==",
    "<",
    "in",
    "+",
    "-",
    "/",
    "?",
    ":",
    "\"3d\"",
    "\"上海\"",
    "1",
    "0.5",
    "null",
    "`",
];

/// Anything that CEL can write, sensible or not.
fn anything() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "profile",
        "profile.city",
        "tags",
        "scores.engagement",
        "now",
        "e",
        "event.properties.x",
        "e.time",
        "x",
        "1",
        "-0.5",
        "2u",
        "\"3d\"",
        "\"上海\"",
        "b\"a\"",
        "null",
        "true",
        "events()",
        "events(\"order_completed\")",
        "sequence(\"product_viewed\")",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 40, 3, |inner| {
        let one = [
            "!({})",
            "-({})",
            "({}).x",
            "has({}.x)",
            "{}.city",
            "profile[{}]",
            "[{}, 1]",
            "{1: {}}",
            "x{a: {}}",
            "size({})",
            "timestamp({})",
            "duration({})",
            "in_segment({})",
            "({}).within(\"3d\")",
            "{}.within({})",
            "{}.count()",
            "{}.sum(\"total\")",
            "events(\"order_completed\", {})",
            "events({}).last()",
            "sequence({}, {})",
            "({}).exists(x, x == {})",
            "e.map(x, {})",
            "{}.contains({})",
            "f({})",
            "({}).f({})",
            "{}[0]",
        ];
        let two = ["&&", "||", "==", "!=", "<", ">=", "in", "+", "-", "*", "/", "%"];
        prop_oneof![
            (proptest::sample::select(one.to_vec()), inner.clone())
                .prop_map(|(with, inner)| with.replace("{}", &inner)),
            (inner.clone(), proptest::sample::select(two.to_vec()), inner.clone())
                .prop_map(|(l, sign, r)| format!("{l} {sign} {r}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(test, l, r)| format!("({test} ? {l} : {r})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(source in "\\PC{0,60}") {
        let _ = Condition::trigger(&source, &schema()).map_err(|problems| (problems.to_string(), problems.at("x")));
    }

    #[test]
    fn no_expression_does_harm(source in anything()) {
        let event = wire::event::Event::default();
        match Condition::trigger(&source, &Schema::open()) {
            Ok(condition) => {
                let _ = condition.matches(&event);
            }
            Err(problems) => prop_assert!(problems.iter().all(|problem| problem.reason != "unreadable"), "{}", problems),
        }
        if let Err(problems) = Condition::customer(&source, &schema()) {
            prop_assert!(problems.iter().all(|problem| problem.reason != "unreadable"), "{}", problems);
        }
    }

    #[test]
    fn no_words_do_harm(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..24), glue in " ?") {
        let source = words.join(&glue);
        if let Err(problems) = Condition::trigger(&source, &schema()) {
            for problem in &problems {
                let parsers = ["expecting", "input", "mismatched", "token", "Syntax", "Context", "extraneous", "ANTLR"];
                prop_assert!(!parsers.iter().any(|word| problem.message.contains(word)), "{}\n{}", source, problems);
                let line = source.split('\n').nth(problem.line - 1);
                prop_assert!(problem.column <= line.unwrap_or("").chars().count() + 1, "{}\n{}", source, problems);
            }
        }
    }
}
