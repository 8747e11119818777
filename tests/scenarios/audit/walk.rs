//! Calls everything that changes something by hand, each with what its entry must say.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::Stage;

use super::ledger::Ledger;

/// Stands in every secret.
pub(super) const CANARY: &str = "geheim7";

const NOTHING: Value = Value::Null;

/// One walk through all services.
pub(super) async fn everything(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    sources(ledger).await?;
    // Entries have different times.
    stage.advance(Duration::from_secs(60)).await;
    definitions(ledger).await?;
    conditions(ledger).await?;
    let customers = customers(stage, ledger).await?;
    one_customer(ledger, &customers[0]).await?;
    stage.advance(Duration::from_secs(60)).await;
    journey(stage, ledger).await?;
    merge(stage, ledger, &customers).await?;
    removals(ledger).await
}

async fn sources(ledger: &mut Ledger) -> Result<()> {
    const S: &str = "/guanxi.ingest.v1.IngestService";
    let source = |name: &str| json!({"key": "web", "name": name, "kind": "SOURCE_KIND_TRACKING"});
    let create = json!({"source": source("官网")});
    let after = json!({"name": "官网", "write_key": "[hidden]"});
    ledger
        .told(&format!("{S}/CreateSource"), create.clone(), ("source", "web"), NOTHING, after.clone())
        .await?;
    ledger.silent(&format!("{S}/CreateSource"), create.clone()).await?;
    ledger.silent(&format!("{S}/UpdateSource"), create).await?;
    let rotate = json!({"source": source("商城"), "rotate_write_key": true});
    let rotated = json!({"name": "商城", "write_key": "[hidden, changed]"});
    ledger.told(&format!("{S}/UpdateSource"), rotate, ("source", "web"), after, rotated).await?;
    failed_events(ledger).await?;
    let before = json!({"name": "商城", "write_key": "[hidden]"});
    let delete = json!({"key": "web"});
    ledger.told(&format!("{S}/DeleteSource"), delete.clone(), ("source", "web"), before, NOTHING).await?;
    ledger.silent(&format!("{S}/DeleteSource"), delete).await
}

/// What came while the source was disabled is given again.
async fn failed_events(ledger: &mut Ledger) -> Result<()> {
    const S: &str = "/guanxi.ingest.v1.IngestService";
    let web = |disabled: bool| json!({"source": {"key": "web", "name": "商城", "kind": "SOURCE_KIND_TRACKING", "disabled": disabled}});
    let is = |disabled: bool| json!({ "disabled": disabled });
    let (update, replay) = (format!("{S}/UpdateSource"), format!("{S}/ReplayFailedEvents"));
    ledger.told(&update, web(true), ("source", "web"), json!({}), is(true)).await?;
    let event = json!({"id": "late", "name": "page_viewed",
        "identifiers": [{"namespace": "anonymous_id", "value": "迟到"}]});
    ledger.call(&format!("{S}/IngestEvents"), json!({"source_key": "web", "events": [event]})).await?;
    let of_web = json!({"source_key": "web"});
    ledger.silent(&replay, of_web.clone()).await?;
    ledger.told(&update, web(false), ("source", "web"), is(true), json!({})).await?;
    let sums = json!({"replayed": 1});
    ledger.told(&replay, of_web.clone(), ("failed_events", "web"), NOTHING, sums).await?;
    ledger.silent(&replay, of_web).await
}

/// What is created, updated and, in the end, deleted the same way: path, name in the request, kind, the thing.
fn things() -> [(&'static str, &'static str, &'static str, Value); 5] {
    const SEGMENTS: &str = "/guanxi.segmentation.v1.SegmentationService";
    const MESSAGING: &str = "/guanxi.messaging.v1.MessagingService";
    let condition = "events(\"order_completed\").count() >= 1";
    [
        ("/guanxi.profile.v1.TagService", "Tag", "tag", json!({"key": "vip", "group": "等级"})),
        (SEGMENTS, "Segment", "segment", json!({"key": "buyers", "condition": condition})),
        (
            SEGMENTS,
            "TierSet",
            "tier_set",
            json!({"key": "value", "tiers": [
                {"key": "high", "name": "高价值", "condition": condition}, {"key": "low", "name": "低价值"}]}),
        ),
        (MESSAGING, "Channel", "channel", json!({"key": "sandbox", "kind": "CHANNEL_KIND_SANDBOX"})),
        (
            MESSAGING,
            "Template",
            "template",
            json!({"key": "welcome", "variants": [{"locale": "zh-CN", "subject": "欢迎", "text": "感谢关注"}]}),
        ),
    ]
}

fn named(mut thing: Value, name: &str) -> Value {
    thing["name"] = json!(name);
    thing
}

async fn definitions(ledger: &mut Ledger) -> Result<()> {
    for (service, what, kind, thing) in things() {
        let id = thing["key"].as_str().context("a key")?.to_owned();
        let (old, new) = (named(thing.clone(), "旧名"), named(thing, "新名"));
        let request = |thing: &Value| json!({ kind: thing });
        let (create, update) = (format!("{service}/Create{what}"), format!("{service}/Update{what}"));
        ledger.told(&create, request(&old), (kind, &id), NOTHING, old.clone()).await?;
        ledger.silent(&create, request(&old)).await?;
        ledger.silent(&update, request(&old)).await?;
        ledger.told(&update, request(&new), (kind, &id), old, new).await?;
    }
    Ok(())
}

async fn removals(ledger: &mut Ledger) -> Result<()> {
    for (service, what, kind, thing) in things() {
        let id = thing["key"].as_str().context("a key")?.to_owned();
        let (path, request) = (format!("{service}/Delete{what}"), json!({ "key": id }));
        ledger.told(&path, request.clone(), (kind, &id), named(thing, "新名"), NOTHING).await?;
        ledger.silent(&path, request).await?;
    }
    Ok(())
}

/// What one service changes in another on a person's behalf is that person's change there, too.
async fn conditions(ledger: &mut Ledger) -> Result<()> {
    let tag = json!({"tag": {"key": "fan", "name": "粉丝", "condition": "events().count() > 9"}});
    let (path, after) =
        ("/guanxi.profile.v1.TagService/CreateTag", json!({"condition": "events().count() > 9"}));
    let (_, others) = ledger.told(path, tag, ("tag", "fan"), NOTHING, after).await?;
    ensure!(others.len() == 1 && others[0]["service"] == "segmentation", "{others:?}");
    ensure!(others[0]["resourceId"] == "tag:fan" && others[0]["actor"] == "li.wei", "{others:?}");
    ledger.silent(path, json!({"tag": {"key": "bad", "name": "错", "condition": "events("}})).await
}

async fn customers(stage: &Stage, ledger: &mut Ledger) -> Result<Vec<String>> {
    let event = |user: &str| {
        json!({"id": format!("first-{user}"), "name": "page_viewed",
               "identifiers": [{"namespace": "user_id", "value": user}]})
    };
    let events = json!({"events": [event("韩梅梅"), event("李雷")]});
    ledger.call("/guanxi.ingest.v1.IngestService/IngestEvents", events).await?;
    stage.settled().await;
    let mut ids = Vec::new();
    for user in ["韩梅梅", "李雷"] {
        let who = json!({"identifier": {"namespace": "user_id", "value": user}});
        let found = ledger.call("/guanxi.identity.v1.IdentityService/GetCustomer", who).await?;
        ids.push(found.field("/customer/customerId").context("a customer without an id")?);
    }
    ensure!(ledger.fresh().await?.is_empty(), "events are no changes by hand");
    Ok(ids)
}

async fn one_customer(ledger: &mut Ledger, id: &str) -> Result<()> {
    const UPDATE: &str = "/guanxi.profile.v1.ProfileService/UpdateProfile";
    let resource = ("customer", id);
    let update = |city: &str| json!({"customer_id": id, "attributes": {"city": city}});
    ledger.told(UPDATE, update("北京"), resource, json!({}), json!({"attributes": {"city": "北京"}})).await?;
    ledger.silent(UPDATE, update("北京")).await?;
    let (before, after) = (json!({"attributes": {"city": "北京"}}), json!({"attributes": {"city": "上海"}}));
    ledger.told(UPDATE, update("上海"), resource, before, after).await?;
    let (add, remove) = ("/guanxi.profile.v1.TagService/AddTags", "/guanxi.profile.v1.TagService/RemoveTags");
    let tags = json!({"customer_ids": [id], "tag_keys": ["vip"], "reason": "周年"});
    let has = json!({"tags": [{"key": "vip", "source": "manual", "reason": "周年"}]});
    ledger.told(add, tags.clone(), resource, json!({"customer_id": id}), has.clone()).await?;
    ledger.silent(add, tags.clone()).await?;
    ledger.told(remove, tags.clone(), resource, has, json!({"customer_id": id})).await?;
    ledger.silent(remove, tags).await
}

async fn journey(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    const J: &str = "/guanxi.journey.v1.JourneyService";
    let update = json!({"update": {"attributes": {"level": "金卡"}, "add_tags": ["vip"]}, "next": "rest"});
    let definition = |wait: &str| {
        json!({"entry": {"event": "order_completed"}, "start": "hello", "nodes": {
            "hello": update, "rest": {"wait": {"duration": wait}, "next": "end"}, "end": {"exit": {}}}})
    };
    let given = |wait: &str| json!({"key": "thanks", "name": "感谢", "definition": definition(wait)});
    let waits = |wait: &str| json!({"definition": {"nodes": {"rest": {"wait": {"duration": wait}}}}});
    let state =
        |state: &str, version: i64| json!({"state": format!("JOURNEY_STATE_{state}"), "version": version});
    let it = ("journey", "thanks");
    let (key, path) = (json!({"key": "thanks"}), |method: &str| format!("{J}/{method}"));
    let create = json!({"journey": given("3600s")});
    ledger.told(&path("CreateJourney"), create.clone(), it, NOTHING, waits("3600s")).await?;
    ledger.silent(&path("UpdateJourney"), create).await?;
    let longer = json!({"journey": given("864000s")});
    ledger.told(&path("UpdateJourney"), longer, it, waits("3600s"), waits("864000s")).await?;
    let draft = json!({"state": "JOURNEY_STATE_DRAFT"});
    ledger.told(&path("PublishJourney"), key.clone(), it, draft, state("LIVE", 1)).await?;
    ledger.silent(&path("PublishJourney"), key.clone()).await?;

    let order = json!({"events": [{"id": "order-1", "name": "order_completed",
        "identifiers": [{"namespace": "user_id", "value": "李雷"}]}]});
    ledger.call("/guanxi.ingest.v1.IngestService/IngestEvents", order).await?;
    stage.settled().await;
    let who = json!({"identifier": {"namespace": "user_id", "value": "李雷"}});
    let profile = ledger.call("/guanxi.profile.v1.ProfileService/GetProfile", who).await?;
    ensure!(profile.says("金卡") && profile.says("vip"), "the journey did nothing: {profile:?}");
    let fresh = ledger.fresh().await?;
    ensure!(fresh.is_empty(), "what a journey does is no change by hand: {fresh:?}");

    let runs = ledger.call(&path("ListRuns"), json!({"journey_key": "thanks"})).await?;
    let run = runs.field("/runs/0/runId").context("no run")?;
    let (before, after) = (
        json!({"state": "RUN_STATE_WAITING", "node": "rest"}),
        json!({"state": "RUN_STATE_EXITED", "exit_reason": "退单"}),
    );
    let cancel = json!({"run_id": run, "reason": "退单"});
    ledger.told(&path("CancelRun"), cancel.clone(), ("run", &run), before, after).await?;
    ledger.silent(&path("CancelRun"), cancel).await?;
    for (method, from, to) in [
        ("PauseJourney", "LIVE", "PAUSED"),
        ("ResumeJourney", "PAUSED", "LIVE"),
        ("ArchiveJourney", "LIVE", "ARCHIVED"),
    ] {
        ledger.told(&path(method), key.clone(), it, state(from, 1), state(to, 1)).await?;
        ledger.silent(&path(method), key.clone()).await?;
    }
    stage.settled().await;
    ledger.told(&path("DeleteJourney"), key, it, state("ARCHIVED", 1), NOTHING).await?;
    Ok(())
}

async fn merge(stage: &Stage, ledger: &mut Ledger, customers: &[String]) -> Result<()> {
    const I: &str = "/guanxi.identity.v1.IdentityService";
    let request = json!({"customer_ids": customers, "reason": "同一个人"});
    let merged = json!({"rule": "manual", "actor": "li.wei", "reason": "同一个人"});
    let path = format!("{I}/MergeCustomers");
    let (answer, _) = ledger.told(&path, request.clone(), ("merge", ""), NOTHING, merged.clone()).await?;
    ledger.silent(&path, request).await?;
    stage.settled().await;
    let id = answer.field("/merge/mergeId").context("a merge without an id")?;
    let undo = json!({ "merge_id": id });
    let path = format!("{I}/UndoMerge");
    ledger.told(&path, undo.clone(), ("merge", &id), merged, json!({"undone": true})).await?;
    ledger.silent(&path, undo).await?;
    stage.settled().await;
    Ok(())
}

/// Everything that is secret, given and changed.
pub(super) async fn secrets(ledger: &mut Ledger) -> Result<()> {
    let secret = |n: u32| format!("{CANARY}{n}");
    let aes = |n: u32| format!("{CANARY:A<42}{n}");
    for n in [1, 2] {
        let verb = if n == 1 { "Create" } else { "Update" };
        let oa = json!({"app_id": "wx1", "token": secret(n), "mode": "safe", "encoding_aes_key": aes(n),
            "encoding_aes_key_previous": aes(n + 2)});
        let source = json!({"key": "oa", "kind": "SOURCE_KIND_WECHAT_OA", "settings": oa});
        ledger
            .call(&format!("/guanxi.ingest.v1.IngestService/{verb}Source"), json!({ "source": source }))
            .await?;
        for (key, kind, settings) in [
            (
                "mail",
                "CHANNEL_KIND_SMTP",
                json!({"host": "127.0.0.1", "tls": "none", "from": "关系 <hello@example.com>", "username": "hello",
                       "password": secret(n)}),
            ),
            (
                "hook",
                "CHANNEL_KIND_WEBHOOK",
                json!({"url": "https://example.com", "secret": secret(n), "headers": {"authorization": secret(n)}}),
            ),
            ("oa", "CHANNEL_KIND_WECHAT_OA", json!({"app_id": "wx1", "app_secret": secret(n)})),
        ] {
            let channel = json!({"key": key, "kind": kind, "settings": settings});
            let path = format!("/guanxi.messaging.v1.MessagingService/{verb}Channel");
            ledger.call(&path, json!({ "channel": channel })).await?;
        }
    }
    let fresh = ledger.fresh().await?;
    ensure!(fresh.len() == 8, "a change of secrets alone is a change: {fresh:?}");
    Ok(())
}
