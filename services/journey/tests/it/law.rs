//! The law: whatever the definition and the events, a run's history is that of a plain simulator.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use wire::event::Event;
use wire::journey as proto;

use crate::scene::{Scene, customer, exit, on, send, story, wait, wait_for};

/// A node of a random definition: nodes lead forward only, so every way ends.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Send,
    Wait { minutes: u64 },
    WaitFor { event: u8, minutes: u64, skip: usize },
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = prop_oneof![
        Just(Plan::Send),
        (1..5_u64).prop_map(|minutes| Plan::Wait { minutes }),
        (0..2_u8, 1..5_u64, 0..3_usize).prop_map(|(event, minutes, skip)| Plan::WaitFor {
            event,
            minutes,
            skip
        }),
    ];
    prop::collection::vec(plan, 1..6)
}

/// What happens: in which half minute, to whom, and what (2 starts a run).
fn happenings() -> impl Strategy<Value = Vec<(u64, u128, u8)>> {
    prop::collection::vec((0..20_u64, 0..2_u128, 0..3_u8), 1..14).prop_map(|mut all| {
        all.sort_by_key(|(time, ..)| *time);
        all
    })
}

const NAMES: [&str; 3] = ["liked", "paid", "seen"];

fn name(n: usize, plans: &[Plan]) -> String {
    if n < plans.len() { format!("n{n}") } else { "end".to_owned() }
}

fn definition(plans: &[Plan]) -> proto::Definition {
    let ids: Vec<String> = (0..=plans.len()).map(|n| name(n, plans)).collect();
    let mut nodes: Vec<(&str, proto::Node)> = plans
        .iter()
        .enumerate()
        .map(|(n, plan)| {
            let next = name(n + 1, plans);
            let node = match plan {
                Plan::Send => send(&["oa"], "t", &next),
                Plan::Wait { minutes } => wait(&format!("{minutes}m"), &next),
                Plan::WaitFor { event, minutes, skip } => wait_for(
                    NAMES[usize::from(*event)],
                    &format!("{minutes}m"),
                    &name(n + 1 + skip, plans),
                    &next,
                ),
            };
            (ids[n].as_str(), node)
        })
        .collect();
    nodes.push(("end", exit("done")));
    on("seen", nodes)
}

/// One run, told plainly: from which moment, in half minutes, and what its customer does afterwards, in order.
fn tell(plans: &[Plan], start: u64, mut after: &[(u64, u128, u8)]) -> String {
    let (mut words, mut at, mut now) = (Vec::new(), 0, start);
    while let Some(plan) = plans.get(at) {
        let (outcome, next) = match plan {
            Plan::Send => ("sent", at + 1),
            Plan::Wait { minutes } => {
                now += 2 * minutes;
                ("waited", at + 1)
            }
            Plan::WaitFor { event, minutes, skip } => {
                let end = now + 2 * minutes;
                // What happened before it came here is not heard; at one moment, time comes before events.
                while after.first().is_some_and(|(time, ..)| *time < now) {
                    after = &after[1..];
                }
                match after.iter().position(|(time, _, what)| what == event && *time < end) {
                    Some(found) => {
                        now = after[found].0;
                        after = &after[found + 1..];
                        ("matched", (at + 1 + skip).min(plans.len()))
                    }
                    None => {
                        now = end;
                        ("timed_out", at + 1)
                    }
                }
            }
        };
        words.push(format!("{}:{outcome}", name(at, plans)));
        at = next;
    }
    words.push("end:exited =done".to_owned());
    words.join(" ")
}

async fn check(plans: Vec<Plan>, happenings: Vec<(u64, u128, u8)>) {
    let mut scene = Scene::open().await;
    scene.publish("j", definition(&plans)).await;
    let mut clock = 0;
    let mut by_time: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
    let mut expected = Vec::new();
    for (n, (time, who, what)) in happenings.iter().enumerate() {
        if *what == 2 {
            let after: Vec<_> =
                happenings[n + 1..].iter().copied().filter(|(_, other, _)| other == who).collect();
            expected.push((format!("h{n}"), tell(&plans, *time, &after)));
        }
        by_time.entry(*time).or_default().push(Event {
            id: format!("h{n}"),
            ..scene.event("", NAMES[usize::from(*what)], *who, json!({}))
        });
    }
    for (time, events) in by_time {
        scene.stage.advance(std::time::Duration::from_secs((time - clock) * 30)).await;
        clock = time;
        let now = Some(scene.now().into());
        let events: Vec<Event> = events.into_iter().map(|event| Event { time: now, ..event }).collect();
        scene.append(&events).await;
    }
    scene.pass("1h").await;
    let mut told: Vec<_> =
        scene.runs("j").await.iter().map(|run| (run.cause_id.clone(), story(run))).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected, "{plans:?} {happenings:?} {}", customer(0));
    scene.audit("j").await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn histories_are_those_of_a_plain_simulator(plans in plans(), happenings in happenings()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(plans, happenings));
    }
}
