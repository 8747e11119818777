//! What happened to a customer.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use wire::event::Event;
use wire::profile::*;

use crate::world::*;

fn request(n: u32) -> ListTimelineRequest {
    let customer = Some(list_timeline_request::Customer::CustomerId(customer(n)));
    ListTimelineRequest { customer, ..ListTimelineRequest::default() }
}

async fn page(world: &World, request: ListTimelineRequest) -> (Vec<String>, String) {
    let answer = world.profiles().list_timeline(request).await.unwrap().into_inner();
    (answer.events.into_iter().map(|event| event.id).collect(), answer.next_page_token)
}

#[tokio::test]
async fn newest_first_of_all_records_with_filters() {
    let mut world = World::with(2).await;
    let viewed = of(1, "e2", "product_viewed", 20, json!({"category": "旅行", "price": 99.5}));
    world
        .play(vec![
            of(1, "e1", "page_viewed", 10, json!({})),
            viewed.clone(),
            of(2, "e3", "page_viewed", 15, json!({})),
            of(1, "r1", "rule.entered", 16, json!({"rule": "tag:x"})),
            identified(2, "e4", 30, 0, json!({})),
            moved("customer.merged", 1, 2, 40),
        ])
        .await;
    let (ids, _) = page(&world, request(1)).await;
    assert_eq!(ids, ["customer.merged-1-2-40", "e4", "e2", "e3", "e1"]);
    let names = vec!["page_viewed".to_owned(), "product_viewed".to_owned()];
    let some =
        ListTimelineRequest { names, from: Some(at(15).into()), to: Some(at(20).into()), ..request(2) };
    assert_eq!(page(&world, some).await.0, ["e3"]);
    let named = ListTimelineRequest { names: vec!["product_viewed".into()], ..request(1) };
    let answer = world.profiles().list_timeline(named).await.unwrap().into_inner();
    assert_eq!(answer.events, [viewed], "an event comes back as it was");
    let wrong = ListTimelineRequest { page_token: "x".into(), ..request(1) };
    assert_eq!(fields(world.profiles().list_timeline(wrong).await), ["page_token"]);
}

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let mut world = World::with(1).await;
    world
        .play(vec![
            of(1, "old", "page_viewed", -3 * 86_400, json!({})),
            of(1, "new", "page_viewed", 10, json!({})),
        ])
        .await;
    world.advance(398 * 86_400).await;
    assert_eq!(page(&world, request(1)).await.0, ["new"]);
    world.advance(4 * 86_400).await;
    assert!(page(&world, request(1)).await.0.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However the pages are cut, and whatever arrives in between, everything that was there is shown once, in order.
    #[test]
    fn pages_show_everything_once(
        times in prop::collection::vec((1_u32..=2, 0_i64..20), 1..30),
        late in prop::collection::vec((1_u32..=2, 0_i64..40), 0..10),
        size in 1_i32..7,
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async move {
            let mut world = World::with(2).await;
            let event = |(n, (who, time)): (usize, &(u32, i64)), kind: &str| {
                of(*who, &format!("{kind}{n:02}"), "page_viewed", *time, json!({}))
            };
            let mut events: Vec<Event> = times.iter().enumerate().map(|given| event(given, "e")).collect();
            world.play(events.clone()).await;
            world.play(vec![moved("customer.merged", 1, 2, 50)]).await;
            let named = ListTimelineRequest { names: vec!["page_viewed".into()], page_size: size, ..request(1) };
            let (mut seen, mut token) = page(&world, named.clone()).await;
            world.play(late.iter().enumerate().map(|given| event(given, "late")).collect()).await;
            while !token.is_empty() {
                let (more, next) = page(&world, ListTimelineRequest { page_token: token, ..named.clone() }).await;
                seen.extend(more);
                token = next;
            }
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "nothing twice");
            events.reverse();
            events.sort_by_key(|event| std::cmp::Reverse(chassis::fact::time(event)));
            seen.retain(|id| id.starts_with('e'));
            assert_eq!(seen, events.into_iter().map(|event| event.id).collect::<Vec<_>>());
        });
    }
}
