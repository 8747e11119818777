//! The CDNOW purchase log, imported by the command, against its published figures and a direct count over the file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::tempdir;
use testkit::Client;
use tests::platform::{Platform, eventually};
use tests::tools::{from_wheel, not_run, present};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{Measure, QueryTrendRequest};
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::{
    CreateSegmentRequest, CreateTierSetRequest, GetSegmentRequest, GetTierDistributionRequest, Segment,
    SegmentKind, SegmentState, Tier, TierSet,
};

const ONE_TIME: &str = r#"events("order_completed").count() == 1"#;

/// What each customer did: purchases and cents, counted straight from the file.
fn count(file: &Path) -> Result<BTreeMap<String, (u32, i64)>> {
    let mut customers: BTreeMap<String, (u32, i64)> = BTreeMap::new();
    for line in std::fs::read_to_string(file)?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [customer, _, _, dollars] = fields[..] else { continue };
        let cents: i64 = dollars.replace('.', "").parse()?;
        let entry = customers.entry(customer.to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + cents);
    }
    Ok(customers)
}

async fn total(client: &Client, measure: Measure, property: &str) -> Result<f64> {
    let request = QueryTrendRequest {
        event: "order_completed".to_owned(),
        measure: measure.into(),
        property: property.to_owned(),
        from: Some(prost_types::Timestamp { seconds: 820_454_400, nanos: 0 }),
        to: Some(prost_types::Timestamp { seconds: 946_684_800, nanos: 0 }),
        ..Default::default()
    };
    let answer = AnalyticsServiceClient::new(client.clone()).query_trend(request).await?.into_inner();
    Ok(answer.series.first().map_or(0.0, |series| series.total))
}

async fn create(client: &Client, key: &str, condition: &str) -> Result<()> {
    let segment = Segment {
        key: key.to_owned(),
        name: key.to_owned(),
        condition: condition.to_owned(),
        kind: SegmentKind::Dynamic.into(),
        ..Default::default()
    };
    let request = CreateSegmentRequest { segment: Some(segment) };
    SegmentationServiceClient::new(client.clone()).create_segment(request).await?;
    Ok(())
}

/// Waits until a segment is live and has this many members.
async fn has_size(client: &Client, key: &str, wanted: i64) -> Result<()> {
    eventually(key, || async move {
        let request = GetSegmentRequest { key: key.to_owned() };
        let answer = SegmentationServiceClient::new(client.clone()).get_segment(request).await?.into_inner();
        let segment = answer.segment.context("no segment")?;
        let done = segment.state() == SegmentState::Live && segment.size == wanted;
        Ok(if done { Ok(()) } else { Err(format!("{:?} of {}", segment.state(), segment.size)) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_to_the_published_figures() -> Result<()> {
    if !present("python3")? {
        return not_run("not run: there is no python3 on this machine to fetch the data with");
    }
    let file = from_wheel(
        "lifetimes==0.11.3",
        "lifetimes/datasets/CDNOW_master.txt",
        "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
    )?;
    let customers = count(&file)?;
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let client = platform.client()?;
    create(&client, "one_time_live", ONE_TIME).await?;

    let errors = data.path().join("errors.csv");
    let arguments = [
        "import".as_ref(),
        file.as_os_str(),
        "--mapping".as_ref(),
        "tests/golden/cdnow.yaml".as_ref(),
        "--errors".as_ref(),
        errors.as_os_str(),
    ];
    let said = platform.run(&arguments).await?;
    assert_eq!(said.trim(), "69659 rows: 69659 accepted, 0 known already, 0 refused");
    let again = platform.run(&arguments).await?;
    assert_eq!(again.trim(), "69659 rows: 0 accepted, 69659 known already, 0 refused");

    let counted = |holds: &dyn Fn(u32, i64) -> bool| {
        i64::try_from(customers.values().filter(|(orders, cents)| holds(*orders, *cents)).count())
    };
    assert_eq!(counted(&|orders, _| orders == 1)?, 11_908, "the published figure");
    has_size(&client, "one_time_live", 11_908).await?;
    create(&client, "one_time_later", ONE_TIME).await?;
    has_size(&client, "one_time_later", 11_908).await?;

    assert_eq!(format!("{:.2}", total(&client, Measure::Sum, "total").await?), "2500315.63");
    assert_eq!(total(&client, Measure::CustomerDays, "").await?, 67_591.0);
    assert_eq!(total(&client, Measure::Unique, "").await?, 23_570.0);
    assert_eq!(total(&client, Measure::Count, "").await?, 69_659.0);

    spend_tiers(
        &client,
        [counted(&|_, cents| cents > 50_000)?, counted(&|_, cents| cents > 10_000 && cents <= 50_000)?],
        23_570,
    )
    .await?;
    platform.stop().await
}

async fn spend_tiers(client: &Client, [high, middle]: [i64; 2], all: i64) -> Result<()> {
    let spent = |over: u32| format!(r#"events("order_completed").sum("total") > {over}"#);
    let tier = |key: &str, condition: String| Tier { key: key.to_owned(), name: key.to_owned(), condition };
    let tiers = vec![tier("high", spent(500)), tier("middle", spent(100)), tier("low", String::new())];
    let tier_set =
        Some(TierSet { key: "spend".to_owned(), name: "消费".to_owned(), tiers, ..Default::default() });
    let mut segmentation = SegmentationServiceClient::new(client.clone());
    segmentation.create_tier_set(CreateTierSetRequest { tier_set }).await?;
    eventually("the tiers", || {
        let mut segmentation = segmentation.clone();
        async move {
            let request = GetTierDistributionRequest { key: "spend".to_owned() };
            let answer = segmentation.get_tier_distribution(request).await?.into_inner();
            let sizes: Vec<i64> = answer.tiers.iter().map(|tier| tier.customers).collect();
            let wanted = [high, middle, all - high - middle];
            Ok(if sizes == wanted && answer.total == all {
                Ok(())
            } else {
                Err(format!("{sizes:?}, not {wanted:?}"))
            })
        }
    })
    .await
}
