//! `QueryFunnel`.

use wire::analytics::{FunnelOrder, FunnelStep, QueryFunnelRequest};

use super::*;

fn funnel(order: FunnelOrder) -> QueryFunnelRequest {
    let step = |event: &str, filter: &str| FunnelStep { event: event.to_owned(), filter: filter.to_owned() };
    QueryFunnelRequest {
        steps: vec![
            step("product_viewed", ""),
            step("cart_added", ""),
            step("order_completed", "e.properties.total >= 100"),
        ],
        window: Some(prost_types::Duration { seconds: 12 * 3_600, nanos: 0 }),
        order: order.into(),
        from: at(0),
        to: at(48),
        ..QueryFunnelRequest::default()
    }
}

#[tokio::test]
async fn steps_groups_medians_and_open_windows() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    stage.advance(Duration::from_secs(24 * 3_600)).await;
    play(
        &stage,
        1,
        &[
            event(1, "product_viewed", 1, json!({"category": "旅行"})),
            event(1, "cart_added", 3, json!({})),
            event(1, "order_completed", 5, json!({"total": 100})),
            // Too little.
            event(2, "product_viewed", 1, json!({"category": "美妆"})),
            event(2, "cart_added", 5, json!({})),
            event(2, "order_completed", 6, json!({"total": 99})),
            // Too late.
            event(3, "product_viewed", 1, json!({"category": "美妆"})),
            event(3, "cart_added", 14, json!({})),
            // May still go on.
            event(4, "product_viewed", 20, json!({"category": "旅行"})),
            // Puts in the cart without looking.
            event(5, "cart_added", 2, json!({})),
            event(5, "product_viewed", 3, json!({})),
        ],
    )
    .await;
    let request = QueryFunnelRequest {
        breakdown: "properties.category".to_owned(),
        ..funnel(FunnelOrder::Unspecified)
    };
    let answer = client(&stage).query_funnel(request).await.unwrap().into_inner();
    let figures: Vec<_> =
        answer.steps.iter().map(|step| (step.event.as_str(), step.customers, step.immature)).collect();
    assert_eq!(figures, [("product_viewed", 5, 1), ("cart_added", 2, 0), ("order_completed", 1, 0)]);
    assert_eq!(answer.steps[1].conversion, 0.4);
    assert_eq!(answer.steps[0].median_time, None);
    assert_eq!(answer.steps[1].median_time, Some(prost_types::Duration { seconds: 3 * 3_600, nanos: 0 }));
    let groups: Vec<_> =
        answer.groups.iter().map(|group| (group.key.as_str(), group.steps[0].customers)).collect();
    assert_eq!(groups, [("旅行", 2), ("美妆", 2), ("", 1)]);

    let any = client(&stage).query_funnel(funnel(FunnelOrder::Any)).await.unwrap().into_inner();
    assert_eq!(any.steps.iter().map(|step| step.customers).collect::<Vec<_>>(), [5, 3, 1]);
    // Nothing had been received yet.
    let early = QueryFunnelRequest { as_of: at(2), to: at(2), ..funnel(FunnelOrder::Strict) };
    let early = client(&stage).query_funnel(early).await.unwrap().into_inner();
    assert_eq!(early.steps.iter().map(|step| step.customers).collect::<Vec<_>>(), [3, 0, 0]);
    assert_eq!(early.steps[0].immature, 3);
}

#[tokio::test]
async fn a_merge_lets_a_chain_run_across_records() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    play(&stage, 1, &[event(1, "product_viewed", 1, json!({})), event(2, "cart_added", 2, json!({}))]).await;
    let reached = |answer: wire::analytics::QueryFunnelResponse| answer.steps[1].customers;
    assert_eq!(
        reached(client(&stage).query_funnel(funnel(FunnelOrder::Ordered)).await.unwrap().into_inner()),
        0
    );
    play(&stage, 10, &moved("customer.merged", 2, 1, 3)).await;
    assert_eq!(
        reached(client(&stage).query_funnel(funnel(FunnelOrder::Ordered)).await.unwrap().into_inner()),
        1
    );
}

#[tokio::test]
async fn wrong_funnels_are_refused_field_by_field() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    let mut request = funnel(FunnelOrder::Ordered);
    request.steps[0].event.clear();
    request.steps[2].filter = "e.properties.total >= ".to_owned();
    request.window = None;
    let status = client(&stage).query_funnel(request).await.unwrap_err();
    let mut fields = refused(&status);
    fields.dedup();
    assert_eq!(fields, ["window", "steps[0].event", "steps[2].filter"]);
    let none = QueryFunnelRequest { steps: Vec::new(), ..funnel(FunnelOrder::Ordered) };
    assert_eq!(refused(&client(&stage).query_funnel(none).await.unwrap_err()), ["steps"]);
}
