//! Merge, then split: everything is as if they had never been one.

use proptest::prelude::*;
use serde_json::json;
use wire::event::Event;
use wire::profile::*;

use crate::world::*;

/// One thing that happens to one of three customers.
#[derive(Clone, Debug)]
enum Fact {
    Says { who: u32, time: i64, priority: i32, city: Option<u8> },
    Does { who: u32, time: i64 },
    Enters { who: u32, time: i64, tag: bool },
    Merges { who: u32 },
    Splits { who: u32 },
}

fn fact() -> impl Strategy<Value = Fact> {
    let who = || 1_u32..=3;
    prop_oneof![
        4 => (who(), 0_i64..6, 0..2, prop::option::of(0_u8..3))
            .prop_map(|(who, time, priority, city)| Fact::Says { who, time, priority, city }),
        2 => (who(), 0_i64..20).prop_map(|(who, time)| Fact::Does { who, time }),
        2 => (who(), 0_i64..20, any::<bool>()).prop_map(|(who, time, tag)| Fact::Enters { who, time, tag }),
        2 => (2_u32..=3).prop_map(|who| Fact::Merges { who }),
        1 => (2_u32..=3).prop_map(|who| Fact::Splits { who }),
    ]
}

/// As events; the moves among them, or not.
fn events(facts: &[Fact], moving: bool) -> Vec<Event> {
    let (mut merged, mut events) = ([false; 4], Vec::new());
    let split = |merged: &mut [bool; 4], who: u32, n: usize, events: &mut Vec<Event>| {
        if std::mem::replace(&mut merged[who as usize], false) {
            events.push(moved("customer.split", 1, who, 100 + n as i64));
        }
    };
    for (n, fact) in facts.iter().enumerate() {
        let id = format!("e{n:03}");
        match *fact {
            Fact::Says { who, time, priority, city } => {
                let city = city.map(|n| ["上海", "北京", "广州"][usize::from(n)]);
                events.push(identified(who, &id, time, priority, json!({"city": city, "level": n})));
            }
            Fact::Does { who, time } => events.push(of(who, &id, "page_viewed", time, json!({}))),
            Fact::Enters { who, time, tag } => {
                let rule = if tag { "tag:tour" } else { "tag:food" };
                events.push(of(who, &id, "rule.entered", time, json!({"rule": rule})));
            }
            Fact::Merges { who } => {
                if !std::mem::replace(&mut merged[who as usize], true) {
                    events.push(moved("customer.merged", 1, who, 100 + n as i64));
                }
            }
            Fact::Splits { who } => split(&mut merged, who, n, &mut events),
        }
    }
    (2..=3).for_each(|who| split(&mut merged, who, facts.len(), &mut events));
    events.retain(|event| moving || !event.name.starts_with("customer."));
    events
}

/// Profiles and timelines after all that, and what was told of each record.
async fn outcome(facts: &[Fact], moving: bool) -> (Vec<Profile>, Vec<Vec<String>>) {
    let mut world = World::with(3).await;
    for key in ["tour", "food"] {
        let tag = Tag { key: key.into(), name: key.into(), condition: "true".into(), ..Tag::default() };
        world.tags().create_tag(CreateTagRequest { tag: Some(tag) }).await.unwrap();
    }
    // In one batch or in many: no difference.
    let events = events(facts, moving);
    let (first, second) = events.split_at(events.len() / 3);
    world.play(first.to_vec()).await;
    world.play(second.to_vec()).await;
    let (mut profiles, mut timelines) = (Vec::new(), Vec::new());
    for n in 1..=3 {
        profiles.push(world.profile(n).await);
        let customer = Some(list_timeline_request::Customer::CustomerId(customer(n)));
        let request = ListTimelineRequest { customer, page_size: 1_000, ..ListTimelineRequest::default() };
        let shown = world.profiles().list_timeline(request).await.unwrap().into_inner().events;
        let facts = shown.into_iter().filter(|event| event.id.starts_with('e'));
        timelines.push(facts.map(|event| event.id).collect());
    }
    (profiles, timelines)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_split_restores_what_never_was_merged(facts in prop::collection::vec(fact(), 1..40)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async move {
            assert_eq!(outcome(&facts, true).await, outcome(&facts, false).await);
        });
    }
}
