//! `QueryTrend`.

use wire::analytics::{Interval, Measure, QueryTrendRequest, Series};

use super::*;

async fn ask(stage: &Stage, request: QueryTrendRequest) -> Vec<Series> {
    client(stage).query_trend(request).await.unwrap().into_inner().series
}

fn daily(measure: Measure) -> QueryTrendRequest {
    QueryTrendRequest {
        event: "order_completed".to_owned(),
        measure: measure.into(),
        interval: Interval::Day.into(),
        from: at(0),
        to: at(48),
        ..QueryTrendRequest::default()
    }
}

fn values(series: &Series) -> Vec<f64> {
    series.points.iter().map(|point| point.value).collect()
}

#[tokio::test]
async fn merges_and_splits_change_customers_and_never_events() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    play(
        &stage,
        1,
        &[
            event(1, "order_completed", 1, json!({"total": 88.5, "category": "美妆"})),
            event(2, "order_completed", 2, json!({"total": 120, "category": "旅行"})),
            event(2, "order_completed", 20, json!({"total": 30, "category": "美妆"})),
            event(2, "segment.entered", 20, json!({"segment": "high_value"})),
        ],
    )
    .await;
    let unique = ask(&stage, daily(Measure::Unique)).await;
    assert_eq!((values(&unique[0]), unique[0].total), (vec![2.0, 1.0, 0.0], 2.0));
    assert_eq!(unique[0].points[0].time, Some(midnight().into()));
    play(&stage, 11, &moved("customer.merged", 2, 1, 21)).await;
    assert_eq!(ask(&stage, daily(Measure::Unique)).await[0].total, 1.0);
    assert_eq!(ask(&stage, daily(Measure::Count)).await[0].total, 3.0);
    assert_eq!(ask(&stage, daily(Measure::CustomerDays)).await[0].total, 2.0);
    play(&stage, 21, &moved("customer.split", 2, 2, 22)).await;
    assert_eq!(ask(&stage, daily(Measure::Unique)).await[0].total, 2.0);

    let sums = QueryTrendRequest {
        property: "total".to_owned(),
        breakdown: "properties.category".to_owned(),
        filter: "e.properties.total > 50".to_owned(),
        ..daily(Measure::Sum)
    };
    let sums: Vec<_> = ask(&stage, sums).await.into_iter().map(|series| (series.key, series.total)).collect();
    assert_eq!(sums, [("旅行".to_owned(), 120.0), ("美妆".to_owned(), 88.5)]);
    let everything = QueryTrendRequest {
        event: String::new(),
        breakdown: "context.channel".to_owned(),
        ..daily(Measure::Count)
    };
    let everything = ask(&stage, everything).await;
    assert_eq!((everything[0].key.as_str(), everything[0].total), ("wechat_oa", 3.0));
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let stage = Stage::open(assembly(&[])).await.unwrap();
    let request = QueryTrendRequest {
        filter: "e.properties.total >".to_owned(),
        measure: Measure::Sum.into(),
        breakdown: "category".to_owned(),
        from: at(2),
        to: at(1),
        ..QueryTrendRequest::default()
    };
    let status = client(&stage).query_trend(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let mut fields = refused(&status);
    fields.dedup();
    assert_eq!(fields, ["to", "property", "filter", "breakdown"]);
    let request = QueryTrendRequest { interval: 99, ..daily(Measure::Count) };
    let status = client(&stage).query_trend(request).await.unwrap_err();
    assert_eq!(refused(&status), ["interval"]);
}
