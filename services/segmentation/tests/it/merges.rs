//! Merges and splits: at every step, everybody's memberships are what the whole history says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use kernel::Time;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rules::{Condition, Facts, Schema};
use serde_json::json;
use wire::event::Event;

use super::world::{World, at, joined};

#[tokio::test]
async fn the_survivor_takes_over_and_a_split_gives_back() {
    let world = World::open().await;
    world.create("buyers", r#"events("order_completed").count() >= 2"#).await;
    world.create("any", r#"events("order_completed").count() >= 1"#).await;
    world
        .play(&[world.did(1, "order_completed", json!({})), world.did(2, "order_completed", json!({}))])
        .await;
    world.stage.advance(Duration::from_secs(60)).await;
    world.play(&joined(world.now(), "m1", "customer.merged", 2, &[1], &[(1, 2)])).await;
    assert_eq!((world.members("buyers").await, world.members("any").await), (vec![2], vec![2]));
    world.stage.advance(Duration::from_secs(60)).await;
    world.play(&joined(world.now(), "m1", "customer.split", 2, &[1], &[(1, 1)])).await;
    assert_eq!((world.members("buyers").await, world.members("any").await), (vec![], vec![1, 2]));
    assert_eq!(world.told("buyers").await, ["entered 2 @60 merged", "exited 2 @120 split"]);
    assert_eq!(
        world.told("any").await,
        ["entered 1 @0", "entered 2 @0", "exited 1 @60 merged", "entered 1 @120 split"]
    );
}

const SEGMENTS: [(&str, &str); 6] = [
    ("s0", r#"events("order_completed").within("3d").count() >= 2"#),
    ("s1", r#"events().within("2d").count() == 0"#),
    ("s2", r#"events("order_completed").sum("total") > 120 && profile.city == "上海""#),
    ("s3", r#""vip" in tags || events("page_viewed").within("5d").streak_days() >= 2"#),
    ("s4", r#"!in_segment("s0") && in_segment("s1")"#),
    ("s5", r#"sequence("page_viewed", "order_completed").within("1d")"#),
];
const TIERS: [(&str, &str); 3] = [
    ("gold", r#"events("order_completed").within("4d").sum("total") > 100"#),
    ("seen", r#"in_segment("s3")"#),
    ("rest", ""),
];

#[derive(Clone, Debug)]
enum Step {
    Does(u32, usize, u32),
    Moves(u32, usize),
    Tags(u32, bool),
    Merges(u32, u32),
    Splits,
    Waits(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (1_u32..6, 0_usize..2, 1_u32..90).prop_map(|(record, name, total)| Step::Does(record, name, total)),
        1 => (1_u32..6, 0_usize..2).prop_map(|(record, city)| Step::Moves(record, city)),
        1 => (1_u32..6, any::<bool>()).prop_map(|(record, added)| Step::Tags(record, added)),
        2 => (1_u32..6, 1_u32..6).prop_map(|(one, other)| Step::Merges(one, other)),
        1 => Just(Step::Splits),
        3 => (1_u64..60).prop_map(Step::Waits),
    ];
    prop::collection::vec(step, 1..30)
}

/// What is so, computed from everything that happened.
#[derive(Default)]
struct Oracle {
    /// Owner by record.
    owners: BTreeMap<u32, u32>,
    /// Events by record.
    history: Vec<(u32, Event)>,
    city: BTreeMap<u32, (Time, u32, usize)>,
    tags: BTreeSet<u32>,
    /// Survivor, absorbed, records moved.
    merges: Vec<(u32, u32, Vec<u32>)>,
}

impl Oracle {
    /// Members by segment, then by tier.
    fn expected(&self, now: Time) -> (Vec<Vec<u32>>, Vec<i64>) {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let parse = |text: &str| Condition::customer(text, &Schema::open()).unwrap();
        let mut members = vec![Vec::new(); SEGMENTS.len()];
        let mut tiers = vec![0; TIERS.len()];
        for customer in self.owners.values().copied().collect::<BTreeSet<u32>>() {
            let owns = |record: &u32| self.owners[record] == customer;
            let history: Vec<&Event> =
                self.history.iter().filter(|(r, _)| owns(r)).map(|(_, event)| event).collect();
            let mut facts = Facts::default();
            let city = self.city.iter().filter(|(record, _)| owns(record)).map(|(_, stated)| stated).max();
            facts
                .attributes
                .extend(city.map(|(_, _, city)| ("city".to_owned(), ["上海", "北京"][*city].into())));
            facts.tags.extend(self.tags.iter().any(owns).then(|| "vip".to_owned()));
            let mut inside = BTreeSet::new();
            for (n, (key, text)) in SEGMENTS.iter().enumerate() {
                let segments = |key: &str| inside.contains(key);
                let customer_view = rules::Customer { facts: &facts, history: &history, segments: &segments };
                if parse(text).holds(&customer_view, now, &zone) {
                    inside.insert(*key);
                    members[n].push(customer);
                }
            }
            let segments = |key: &str| inside.contains(key);
            let view = rules::Customer { facts: &facts, history: &history, segments: &segments };
            let tier =
                TIERS.iter().position(|(_, text)| text.is_empty() || parse(text).holds(&view, now, &zone));
            tiers[tier.unwrap()] += 1;
        }
        (members, tiers)
    }
}

#[test]
fn memberships_are_what_the_whole_history_says_at_every_step() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner.run(&steps(), |steps| runtime.block_on(check(&steps))).unwrap();
}

async fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let world = World::open().await;
    for (key, condition) in SEGMENTS {
        world.create(key, condition).await;
    }
    world.set_tiers("value", &TIERS).await;
    let mut oracle = Oracle::default();
    for (n, step) in steps.iter().enumerate() {
        take(&world, &mut oracle, n as u32, step).await;
        let (members, tiers) = oracle.expected(world.now());
        for ((key, _), expected) in SEGMENTS.iter().zip(members) {
            prop_assert_eq!(world.members(key).await, expected, "{} after step {} {:?}", key, n, step);
        }
        let found: Vec<i64> = world.distribution("value").await.into_iter().map(|(_, count)| count).collect();
        prop_assert_eq!(found, tiers, "tiers after step {} {:?}", n, step);
    }
    Ok(())
}

async fn take(world: &World, oracle: &mut Oracle, n: u32, step: &Step) {
    let (now, id) = (world.now(), format!("{n:04}"));
    let said = |oracle: &mut Oracle, record: u32, name: &str, properties| {
        let owner = *oracle.owners.entry(record).or_insert(record);
        let event = at(now, owner, record, &id, name, properties);
        oracle.history.push((record, event.clone()));
        event
    };
    match step {
        Step::Does(record, name, total) => {
            let name = ["order_completed", "page_viewed"][*name];
            let event = said(oracle, *record, name, json!({"total": total}));
            world.play(&[event]).await;
        }
        Step::Moves(record, city) => {
            let name = ["上海", "北京"][*city];
            let properties = json!({"attributes": {"city": name}, "priority": 0, "by": id});
            oracle.city.insert(*record, (now, n, *city));
            let event = said(oracle, *record, "profile.updated", properties);
            world.play(&[event]).await;
        }
        Step::Tags(record, added) => {
            let name = if *added { "tag.added" } else { "tag.removed" };
            if *added {
                oracle.tags.insert(*record)
            } else {
                oracle.tags.remove(record)
            };
            let event = said(oracle, *record, name, json!({"tag": "vip"}));
            world.play(&[event]).await;
        }
        Step::Merges(one, other) => {
            let owner = |record: &u32| oracle.owners.get(record).copied();
            let (Some(survivor), Some(absorbed)) = (owner(one), owner(other)) else { return };
            if survivor == absorbed {
                return;
            }
            let moved: Vec<u32> =
                oracle.owners.iter().filter(|(_, o)| **o == absorbed).map(|(r, _)| *r).collect();
            let records: Vec<(u32, u32)> = moved.iter().map(|record| (*record, survivor)).collect();
            oracle.owners.extend(records.iter().copied());
            let merge_id = format!("m{n}");
            oracle.merges.push((survivor, absorbed, moved));
            world.play(&joined(now, &merge_id, "customer.merged", survivor, &[absorbed], &records)).await;
        }
        Step::Splits => {
            let Some((survivor, restored, moved)) = oracle.merges.pop() else { return };
            let records: Vec<(u32, u32)> = moved.iter().map(|record| (*record, restored)).collect();
            oracle.owners.extend(records.iter().copied());
            let merge_id = format!("m{}", n + 10_000);
            world.play(&joined(now, &merge_id, "customer.split", survivor, &[restored], &records)).await;
        }
        Step::Waits(hours) => world.stage.advance(Duration::from_secs(hours * 3_600)).await,
    }
}
