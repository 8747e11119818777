//! What customers are called, say and do stands in no log line, no metric and no span: a mark is put into every field that
//! can carry it, also of calls that fail, and looked for afterwards.

use std::path::Path;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use sea_orm::sqlx::{self, Connection as _, postgres::PgConnection};
use serde_json::{Value, json};
use tempfile::tempdir;
use tests::platform::{LOG, Platform, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use wire::event::{Event, Identifier};
use wire::identity::ResolveIdentityRequest;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{UpdateProfileRequest, update_profile_request};
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::{CreateSegmentRequest, Segment};

use crate::trace::collector::Collector;

/// In a name, an address, a number: whoever finds it has found personal data.
const MARK: &str = "kanarienvogel7";

/// An endpoint that fails and says back what it was sent, as some do.
async fn failing(tasks: &mut JoinSet<()>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/{MARK}?to={MARK}", listener.local_addr()?);
    let echo = post(async |body: String| (StatusCode::INTERNAL_SERVER_ERROR, format!("{MARK} {body}")));
    let app = Router::new().route("/{*any}", echo);
    tasks.spawn(async move {
        let _ended = axum::serve(listener, app).await.is_ok();
    });
    Ok(url)
}

/// Calls of the tracking API with the mark wherever there is room for it; the last ones are refused.
fn calls() -> Vec<(&'static str, Value)> {
    let traits = json!({"name": format!("王{MARK}"), "email": format!("{MARK}@example.com"), "phone": MARK,
        "address": {"city": MARK}, MARK: MARK});
    let context = json!({"traits": traits, "page": {"url": format!("https://example.com/{MARK}"), "title": MARK},
        "userAgent": MARK, "ip": MARK, "locale": MARK, "campaign": {"name": MARK}});
    let properties = json!({"city": MARK, "order_id": MARK, MARK: {MARK: [MARK]}});
    let user = format!("user-{MARK}");
    vec![
        ("identify", json!({"userId": user, "anonymousId": MARK, "traits": traits, "context": context})),
        (
            "track",
            json!({"userId": user, "event": "Signed Up", "properties": properties, "context": context,
            "messageId": format!("{MARK}-1")}),
        ),
        ("track", json!({"userId": user, "event": format!("!{MARK}!"), "properties": properties})),
        ("track", json!({"userId": {MARK: MARK}, "event": 7, "timestamp": MARK})),
        ("track", json!({"event": "Signed Up", "properties": MARK, "type": MARK})),
        ("batch", json!({"batch": [{"type": MARK, "userId": user}, MARK]})),
        ("alias", json!({"userId": user, "previousId": {MARK: 1}})),
        (
            "track",
            json!({"userId": format!("{user}\0"), "event": "Signed Up", "properties": {"city": format!("{MARK}\0")}}),
        ),
        (MARK, json!({"userId": user})),
    ]
}

/// Calls of services that are refused for what they bear.
async fn refused(platform: &Platform) -> Result<()> {
    let marked = || Identifier { namespace: MARK.to_uppercase(), value: MARK.to_owned() };
    let event = Event {
        id: MARK.repeat(30),
        name: format!("!{MARK}"),
        identifiers: vec![marked()],
        ..Event::default()
    };
    let events = IngestEventsRequest { events: vec![event], source_key: MARK.to_owned() };
    assert!(IngestServiceClient::new(platform.client()?).ingest_events(events).await.is_err());
    let update = UpdateProfileRequest {
        customer: Some(update_profile_request::Customer::CustomerId(MARK.to_owned())),
        ..Default::default()
    };
    assert!(ProfileServiceClient::new(platform.client()?).update_profile(update).await.is_err());
    let segment = Segment {
        key: "marked".to_owned(),
        condition: format!("profile.name == \"{MARK}\" &&"),
        ..Segment::default()
    };
    let create = CreateSegmentRequest { segment: Some(segment) };
    assert!(SegmentationServiceClient::new(platform.client()?).create_segment(create).await.is_err());
    let resolve = ResolveIdentityRequest { identifiers: vec![marked()] };
    // Any namespace may be one of theirs.
    assert!(IdentityServiceClient::new(platform.client()?).resolve_identity(resolve).await.is_ok());
    Ok(())
}

/// Identifiers that the database of identity will refuse when it is PostgreSQL, which then says with what they collide or
/// the whole row they stand in.
async fn refusing(platform: &Platform) -> Result<Vec<Identifier>> {
    let owner = platform.settings("identity").into_iter().find_map(|setting| {
        setting.strip_prefix("common.database.owner_url=").map(|url| url.replace("{service}", "identity"))
    });
    let Some(owner) = owner else { return Ok(Vec::new()) };
    let mut db = PgConnection::connect(&owner).await?;
    for statement in [
        "ALTER TABLE record ADD CONSTRAINT refused CHECK (value NOT LIKE 'refused-%')",
        "CREATE UNIQUE INDEX alone ON record (workspace, left(value, 6)) WHERE value LIKE 'alone-%'",
    ] {
        sqlx::query(statement).execute(&mut db).await?;
    }
    db.close().await?;
    let user = |value: &str| Identifier { namespace: "user_id".to_owned(), value: format!("{value}-{MARK}") };
    let first = ResolveIdentityRequest { identifiers: vec![user("alone-1")] };
    IdentityServiceClient::new(platform.client()?).resolve_identity(first).await?;
    Ok(["refused", "alone-2"].map(user).to_vec())
}

/// A call and an event of each of these, which the database refuses.
async fn refused_below(platform: &Platform, data: &Path, users: &[Identifier]) -> Result<()> {
    for user in users {
        let resolve = ResolveIdentityRequest { identifiers: vec![user.clone()] };
        assert!(IdentityServiceClient::new(platform.client()?).resolve_identity(resolve).await.is_err());
        let event =
            Event { name: "signed_up".to_owned(), identifiers: vec![user.clone()], ..Event::default() };
        let events = IngestEventsRequest { events: vec![event], ..IngestEventsRequest::default() };
        IngestServiceClient::new(platform.client()?).ingest_events(events).await?;
    }
    eventually("the events were set aside", || async {
        let log = std::fs::read_to_string(data.join(LOG))?;
        let aside: Vec<&str> = log.lines().filter(|line| line.contains("an event was set aside")).collect();
        let is_told = |reason: &&str| aside.iter().any(|line| line.contains(reason));
        let told = ["INTERNAL", "ALREADY_EXISTS"].iter().filter(|reason| is_told(reason)).count();
        Ok(if told == users.len() { Ok(()) } else { Err(format!("{aside:#?}")) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_seen_by_operators() -> Result<()> {
    let (data, mut tasks) = (tempdir()?, JoinSet::new());
    let collector = Collector::start().await?;
    let settings =
        [format!("common.telemetry.collector={}", collector.url), "common.telemetry.sample=1".to_owned()];
    let platform = Platform::start_with(data.path(), &settings).await?;
    let url = failing(&mut tasks).await?;
    let golden = std::fs::read_to_string(tests::platform::root().join("tests/golden/traced.yaml"))?;
    let outside = golden
        .replace("channel_kind: sandbox", &format!("channel_kind: webhook\nsettings: {{ url: \"{url}\" }}"))
        .replace("新人礼", MARK);
    let definitions = data.path().join("marked.yaml");
    // One journey whose template works and whose endpoint fails, one whose template fails.
    let broken = golden
        .replace("key: hello", "key: broken")
        .replace("template: hello", "template: broken")
        .replace("key: sandbox", "key: inner")
        .replace("[sandbox]", "[inner]")
        .replace("{{ event.city }}", "{{ event.city + 1 }}");
    std::fs::write(&definitions, format!("{outside}---\n{broken}"))?;
    platform.run(&["apply".as_ref(), "-f".as_ref(), definitions.as_os_str()]).await?;

    let web = reqwest::Client::new();
    for (call, body) in calls() {
        let url = format!("http://{}/v1/{call}?q={MARK}", platform.http);
        web.post(url).basic_auth("dev", Some(MARK)).header("traceparent", MARK).json(&body).send().await?;
    }
    web.post(format!("http://{}/v1/track", platform.http))
        .basic_auth(MARK, Some(MARK))
        .body(MARK)
        .send()
        .await?;
    web.get(format!("http://{}/{MARK}", platform.http)).send().await?;
    refused(&platform).await?;
    refused_below(&platform, data.path(), &refusing(&platform).await?).await?;
    eventually("the endpoint was asked", || async {
        let spans = collector.spans();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        Ok(if names.contains(&"deliver") { Ok(()) } else { Err(format!("{names:?}")) })
    })
    .await?;
    let metrics = platform.metrics().await?;
    platform.stop().await?;

    let log = std::fs::read_to_string(data.path().join(LOG))?;
    let is_marked = |text: &str| text.to_lowercase().contains(MARK);
    let lines: Vec<&str> = log.lines().chain(metrics.lines()).filter(|line| is_marked(line)).collect();
    assert!(lines.is_empty(), "{lines:#?}");
    let spans = collector.spans();
    let marked = spans.iter().find(|span| is_marked(&span.whole) || is_marked(&span.resource));
    assert!(marked.is_none(), "{marked:#?}");
    assert!(spans.iter().any(|span| span.name == "deliver"));
    spans.first().context("no spans").map(drop)
}
