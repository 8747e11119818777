//! A workspace that lives: customers who are known, segments, and a journey that answers every order with a message.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::BoxFuture;
use testkit::Client;
use tokio::time::Instant;
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::journey::{self as plan, PublishJourneyRequest};
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::{Channel, ChannelKind, CreateChannelRequest, CreateTemplateRequest, Template, Variant};
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::{
    CreateSegmentRequest, EstimateSegmentRequest, GetSegmentRequest, Segment, SegmentKind, SegmentState,
};

use crate::data::{self, Events};
use crate::site::Site;

/// The one journey.
const JOURNEY: &str = "after_order";
/// Customers made known with one call.
const BATCH: u64 = 500;
/// Longest wait for a segment to be live.
const BUILD: Duration = Duration::from_secs(60);

/// Makes all of it and waits until it rests.
///
/// # Errors
/// What a service says.
pub(crate) async fn set_up(site: &impl Site, customers: u64, conditions: &[String]) -> Result<()> {
    let client = site.client()?;
    way_out(&client).await.context("channel and template")?;
    programme(&client).await.context("journey")?;
    for (n, condition) in conditions.iter().enumerate() {
        let segment = Segment {
            key: key(n),
            name: format!("人群{n}"),
            condition: condition.clone(),
            kind: SegmentKind::Dynamic.into(),
            ..Default::default()
        };
        let request = CreateSegmentRequest { segment: Some(segment) };
        let made = SegmentationServiceClient::new(client.clone()).create_segment(request).await;
        made.with_context(|| condition.clone())?;
    }
    for n in 0..conditions.len() {
        live(&client, &key(n)).await?;
    }
    for first in (0..customers).step_by(usize::try_from(BATCH)?) {
        let events: Vec<_> = (first..customers.min(first + BATCH)).map(data::introduction).collect();
        let count = u32::try_from(events.len())?;
        let request = IngestEventsRequest { events, source_key: String::new() };
        let answer = IngestServiceClient::new(client.clone()).ingest_events(request).await;
        let answer = answer.context("introducing customers")?.into_inner();
        ensure!(answer.accepted == count, "not all was accepted: {answer:?}");
    }
    site.settled().await?;
    Ok(())
}

/// Calls that send these events, one each.
pub(crate) fn sends(
    client: Client,
    events: &Arc<Events>,
) -> impl Fn(u64) -> BoxFuture<'static, Result<()>> + Send + 'static {
    let (client, events) = (IngestServiceClient::new(client), events.clone());
    move |n| {
        let (mut client, request) = (client.clone(), events.request(n, 1));
        Box::pin(async move {
            let answer =
                client.ingest_events(request).await.with_context(|| format!("event {n}"))?.into_inner();
            ensure!(answer.accepted == 1, "not accepted: {answer:?}");
            Ok(())
        })
    }
}

/// Key of segment `n`.
pub(crate) fn key(n: usize) -> String {
    format!("s{n:03}")
}

async fn way_out(client: &Client) -> Result<()> {
    let mut messaging = MessagingServiceClient::new(client.clone());
    let channel = Channel {
        key: "box".to_owned(),
        name: "沙箱".to_owned(),
        kind: ChannelKind::Sandbox.into(),
        ..Default::default()
    };
    messaging.create_channel(CreateChannelRequest { channel: Some(channel) }).await?;
    let variant = Variant {
        locale: "zh-CN".to_owned(),
        subject: "谢谢您的订单".to_owned(),
        text: "{{ profile.name }}，您买的{{ event.category }}正在打包。".to_owned(),
        html: String::new(),
    };
    let template = Template {
        key: "thanks".to_owned(),
        name: "下单致谢".to_owned(),
        variants: vec![variant],
        ..Default::default()
    };
    messaging.create_template(CreateTemplateRequest { template: Some(template) }).await?;
    Ok(())
}

/// `on order_completed → send → exit`.
async fn programme(client: &Client) -> Result<()> {
    let send = plan::Send {
        channels: vec!["box".to_owned()],
        template: "thanks".to_owned(),
        purpose: plan::Purpose::Transactional.into(),
        ..Default::default()
    };
    let exit = plan::Exit { reason: "done".to_owned() };
    let node = |kind, next: &str| plan::Node { kind: Some(kind), next: next.to_owned() };
    let definition = plan::Definition {
        entry: Some(plan::Entry {
            trigger: Some(plan::entry::Trigger::Event("order_completed".to_owned())),
            re_entry: plan::ReEntry::Always.into(),
            ..Default::default()
        }),
        start: "thank".to_owned(),
        nodes: HashMap::from([
            ("thank".to_owned(), node(plan::node::Kind::Send(send), "end")),
            ("end".to_owned(), node(plan::node::Kind::Exit(exit), "")),
        ]),
        exit_when: String::new(),
    };
    let journey = plan::Journey {
        key: JOURNEY.to_owned(),
        name: "下单致谢".to_owned(),
        definition: Some(definition),
        ..Default::default()
    };
    let mut journeys = JourneyServiceClient::new(client.clone());
    journeys.create_journey(plan::CreateJourneyRequest { journey: Some(journey) }).await?;
    journeys.publish_journey(PublishJourneyRequest { key: JOURNEY.to_owned() }).await?;
    Ok(())
}

/// Lets nobody enter the journey any more.
///
/// # Errors
/// What the service says.
pub(crate) async fn pause(client: &Client) -> Result<()> {
    let request = plan::PauseJourneyRequest { key: JOURNEY.to_owned() };
    JourneyServiceClient::new(client.clone()).pause_journey(request).await?;
    Ok(())
}

async fn live(client: &Client, key: &str) -> Result<()> {
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while segment(client, key).await?.state() != SegmentState::Live {
        if begin.elapsed() > BUILD {
            bail!("segment {key} is not live after {BUILD:?}");
        }
        ticks.tick().await;
    }
    Ok(())
}

async fn segment(client: &Client, key: &str) -> Result<Segment> {
    let request = GetSegmentRequest { key: key.to_owned() };
    let answer = SegmentationServiceClient::new(client.clone()).get_segment(request).await?;
    answer.into_inner().segment.context("no segment")
}

/// Members of segment `n` as kept, and as computed anew from the whole history.
///
/// # Errors
/// What the service says.
pub(crate) async fn sizes(client: &Client, n: usize, condition: &str) -> Result<(i64, i64)> {
    let kept = segment(client, &key(n)).await?.size;
    let request = EstimateSegmentRequest { condition: condition.to_owned() };
    let computed =
        SegmentationServiceClient::new(client.clone()).estimate_segment(request).await?.into_inner();
    Ok((kept, computed.matched))
}
