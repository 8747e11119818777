//! What happened, as a marketer would want to see it.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::rpc::call;
use comfy_table::{Table, presets};
use kernel::{Result, Time};
use wire::analytics::{FunnelStep, Measure, QueryFunnelRequest, QueryTrendRequest};
use wire::journey::{GetJourneyStatsRequest, ListJourneysRequest};
use wire::messaging::{ListMessagesRequest, MessageState};
use wire::profile::{ListProfilesRequest, ListTagsRequest};
use wire::segmentation::{GetTierDistributionRequest, ListSegmentsRequest, ListTierSetsRequest};

use crate::client::Clients;
use crate::ui;

/// The step names of the funnel that is drawn.
const FUNNEL: [(&str, &str); 3] =
    [("product_viewed", "看商品"), ("cart_added", "加购"), ("order_completed", "下单")];
const WINDOW: Duration = Duration::from_secs(7 * 86_400);

/// Prints everything.
///
/// # Errors
/// When a service does not answer.
pub(super) async fn print(clients: &Clients, now: Time) -> Result<()> {
    ui::say("");
    resolved(clients).await?;
    events(clients, now).await?;
    people(clients).await?;
    tiers(clients).await?;
    journeys(clients).await?;
    messages(clients).await?;
    funnel(clients, now).await
}

/// Who was recognised by what.
async fn resolved(clients: &Clients) -> Result<()> {
    let (mut customers, mut page_token) = (0, String::new());
    let mut namespaces: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let request = ListProfilesRequest { page_size: 1_000, page_token, ..ListProfilesRequest::default() };
        let page = call(clients.profile().list_profiles(request)).await?;
        customers += page.profiles.len();
        for identifier in page.profiles.into_iter().flat_map(|profile| profile.identifiers) {
            *namespaces.entry(identifier.namespace).or_default() += 1;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let identifiers: usize = namespaces.values().sum();
    let by_namespace: Vec<_> = namespaces.iter().map(|(name, count)| format!("{name} {count}")).collect();
    ui::say(format!(
        "{customers} customers resolved from {identifiers} identifiers: {}",
        by_namespace.join(", ")
    ));
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}

async fn events(clients: &Clients, now: Time) -> Result<()> {
    let request = |measure: Measure| QueryTrendRequest {
        measure: measure.into(),
        breakdown: "name".to_owned(),
        from: Some(Time(0).into()),
        to: Some(now.plus(Duration::from_secs(3_600)).into()),
        ..QueryTrendRequest::default()
    };
    let counts = call(clients.analytics().query_trend(request(Measure::Count))).await?.series;
    let uniques = call(clients.analytics().query_trend(request(Measure::Unique))).await?.series;
    let uniques: BTreeMap<_, _> = uniques.into_iter().map(|series| (series.key, series.total)).collect();
    let mut table = table(&["events", "count", "customers"]);
    for series in counts {
        let customers = uniques.get(&series.key).copied().unwrap_or_default();
        table.add_row([series.key, series.total.to_string(), customers.to_string()]);
    }
    ui::say(table);
    Ok(())
}

async fn people(clients: &Clients) -> Result<()> {
    let mut table = table(&["tag or segment", "", "customers"]);
    for tag in call(clients.tag().list_tags(ListTagsRequest::default())).await?.tags {
        table.add_row(["tag", &format!("{} {}", tag.key, tag.name), &tag.customers.to_string()]);
    }
    for segment in call(clients.segmentation().list_segments(ListSegmentsRequest::default())).await?.segments
    {
        table.add_row(["segment", &format!("{} {}", segment.key, segment.name), &segment.size.to_string()]);
    }
    ui::say(table);
    Ok(())
}

async fn tiers(clients: &Clients) -> Result<()> {
    for set in call(clients.segmentation().list_tier_sets(ListTierSetsRequest::default())).await?.tier_sets {
        let request = GetTierDistributionRequest { key: set.key.clone() };
        let distribution = call(clients.segmentation().get_tier_distribution(request)).await?;
        let total = distribution.total.to_string();
        let mut table = table(&[&format!("{} {}", set.key, set.name), "customers", "share"]);
        for tier in distribution.tiers {
            let share = format!("{:5.1} % {}", tier.share * 100.0, bar(tier.share, 24));
            table.add_row([format!("{} {}", tier.key, tier.name), tier.customers.to_string(), share]);
        }
        table.add_row(["all", &total, ""]);
        ui::say(table);
    }
    Ok(())
}

async fn journeys(clients: &Clients) -> Result<()> {
    let mut table = table(&["journey", "entered", "under way", "left by reason"]);
    for journey in call(clients.journey().list_journeys(ListJourneysRequest::default())).await?.journeys {
        let request = GetJourneyStatsRequest { key: journey.key.clone(), version: 0 };
        let stats = call(clients.journey().get_journey_stats(request)).await?;
        let exits: Vec<_> = stats.exits.iter().map(|exit| format!("{} {}", exit.reason, exit.runs)).collect();
        let name = format!("{} {}", journey.key, journey.name);
        table.add_row([name, stats.entered.to_string(), stats.active.to_string(), exits.join(", ")]);
    }
    ui::say(table);
    Ok(())
}

async fn messages(clients: &Clients) -> Result<()> {
    let mut counts: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let request = ListMessagesRequest { page_size: 1_000, page_token, ..ListMessagesRequest::default() };
        let page = call(clients.messaging().list_messages(request)).await?;
        for message in page.messages {
            let state = state_name(message.state()).to_owned();
            *counts.entry((message.template, message.channel, state)).or_default() += 1;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut table = table(&["message", "channel", "state", "count"]);
    for ((template, channel, state), count) in counts {
        table.add_row([template, channel, state, count.to_string()]);
    }
    ui::say(table);
    Ok(())
}

const fn state_name(state: MessageState) -> &'static str {
    match state {
        MessageState::Unspecified => "?",
        MessageState::Queued => "queued",
        MessageState::Deferred => "deferred",
        MessageState::Sending => "sending",
        MessageState::Unknown => "unknown",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Failed => "failed",
        MessageState::Suppressed => "suppressed",
    }
}

async fn funnel(clients: &Clients, now: Time) -> Result<()> {
    let steps = FUNNEL.map(|(event, _)| FunnelStep { event: event.to_owned(), filter: String::new() });
    let request = QueryFunnelRequest {
        steps: steps.to_vec(),
        window: Some(prost_types::Duration {
            seconds: i64::try_from(WINDOW.as_secs()).unwrap_or(0),
            nanos: 0,
        }),
        from: Some(Time(0).into()),
        to: Some(now.into()),
        ..QueryFunnelRequest::default()
    };
    let answer = call(clients.analytics().query_funnel(request)).await?;
    ui::say("funnel: from looking to buying within 7 days");
    for ((event, name), step) in FUNNEL.iter().zip(answer.steps) {
        let median =
            step.median_time.map(|time| format!("  median {}", human(time.seconds))).unwrap_or_default();
        let share = format!("{:>5} {:5.1} %", step.customers, step.conversion * 100.0);
        ui::say(format!("  {event:<16} {name}\t{share} {}{median}", bar(step.conversion, 40)));
    }
    Ok(())
}

/// A bar of `share` of `width` characters, in eighths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a width of a terminal"
)]
fn bar(share: f64, width: u32) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * f64::from(width) * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(EIGHTHS.get(eighths % 8).filter(|part| **part != ' '));
    bar
}

fn human(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
