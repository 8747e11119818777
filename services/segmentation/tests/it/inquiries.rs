//! Questions about conditions that are not saved, and what a customer is in.

use serde_json::json;
use wire::segmentation::list_memberships_request::Customer;
use wire::segmentation::*;

use super::world::{World, joined, number, uuid};

const BOUGHT: &str = r#"events("order_completed").within("7d").sum("total") >= 100"#;

async fn evaluate(world: &World, people: &[u32], conditions: &[&str]) -> Vec<(u32, Vec<bool>)> {
    let ask = EvaluateConditionsRequest {
        customer_ids: people.iter().map(|person| uuid(*person).to_string()).collect(),
        conditions: conditions.iter().map(|condition| (*condition).to_owned()).collect(),
        fresh: true,
    };
    let answer = world.api.clone().evaluate_conditions(ask).await.unwrap().into_inner();
    answer.rows.into_iter().map(|row| (number(&row.customer_id), row.holds)).collect()
}

async fn query(world: &World, condition: &str, page_size: i32) -> (Vec<u32>, i64) {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let ask = QueryCustomersRequest { condition: condition.to_owned(), page_size, page_token };
        let answer = world.api.clone().query_customers(ask).await.unwrap().into_inner();
        found.extend(answer.customer_ids.iter().map(|id| number(id)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return (found, answer.total);
        }
    }
}

#[tokio::test]
async fn the_answer_is_the_same_from_states_and_from_history() {
    let world = World::open().await;
    world.play(&[world.did(3, "customer.created", json!({}))]).await;
    world
        .send(&[
            world.did(1, "order_completed", json!({"total": 60})),
            world.did(2, "order_completed", json!({"total": 99})),
        ])
        .await;
    world.send(&[world.did(1, "order_completed", json!({"total": 40}))]).await;
    let expected = vec![(1, vec![true, false]), (2, vec![false, false]), (3, vec![false, true])];
    let silent = "events().count() == 0";
    assert_eq!(evaluate(&world, &[1, 2, 3, 4], &[BOUGHT, silent]).await, expected);
    assert_eq!(query(&world, BOUGHT, 1).await, (vec![1], 1));
    assert_eq!(query(&world, "!(false)", 1).await, (vec![1, 2, 3], 3));
    world.create("bought", BOUGHT).await;
    world.create("silent", silent).await;
    assert_eq!(evaluate(&world, &[1, 2, 3, 4], &[BOUGHT, silent]).await, expected);
    let half = r#"in_segment("bought") || in_segment("silent")"#;
    let ask = EstimateSegmentRequest { condition: half.to_owned() };
    let estimate = world.api.clone().estimate_segment(ask).await.unwrap().into_inner();
    assert_eq!((estimate.matched, estimate.total), (2, 3));
}

#[tokio::test]
async fn states_alone_answer_when_analytics_is_away() {
    let world = World::without_history().await;
    world.create("bought", BOUGHT).await;
    world.play(&[world.did(1, "order_completed", json!({"total": 100}))]).await;
    assert_eq!(evaluate(&world, &[1], &[BOUGHT]).await, [(1, vec![true])]);
    let ask = EstimateSegmentRequest { condition: r#"events("x").count() > 0"#.to_owned() };
    assert!(world.api.clone().estimate_segment(ask).await.is_err());
}

#[tokio::test]
async fn absorbed_ids_lead_to_the_survivor() {
    let world = World::open().await;
    world.create("bought", BOUGHT).await;
    world
        .play(&[
            world.did(1, "page_viewed", json!({})),
            world.did(2, "order_completed", json!({"total": 100})),
        ])
        .await;
    world.play(&joined(world.now(), "m1", "customer.merged", 1, &[2], &[(2, 1)])).await;
    assert_eq!(evaluate(&world, &[2], &[BOUGHT]).await, [(2, vec![true])]);
    for id in [1, 2] {
        let ask = ListMembershipsRequest { customer: Some(Customer::CustomerId(uuid(id).to_string())) };
        let answer = world.api.clone().list_memberships(ask).await.unwrap().into_inner();
        assert_eq!(answer.memberships.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["bought"]);
    }
    let ask = ListMembershipsRequest { customer: Some(Customer::CustomerId(uuid(9).to_string())) };
    assert_eq!(world.api.clone().list_memberships(ask).await.unwrap_err().code(), tonic::Code::NotFound);
}
