//! A workspace with one of everything, and a canary in each.

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::Stage;

use super::ask::Asker;

/// Plants it.
pub(super) async fn everything(stage: &Stage, asker: &Asker) -> Result<()> {
    definitions(asker).await?;
    stage.settled().await;
    let event = |id: &str, name: &str, who: serde_json::Value| {
        json!({"id": id, "name": name, "time": "2026-11-21T01:00:00Z", "identifiers": who,
               "properties": {"note": "canary note", "total": 88}})
    };
    let (first, second) = (
        json!([{"namespace": "user_id", "value": "canary-1"}, {"namespace": "email", "value": "canary@example.com"}]),
        json!([{"namespace": "user_id", "value": "canary-2"}]),
    );
    let events = [
        event("canary-event-1", "order_completed", first),
        event("canary-event-2", "order_completed", second),
        // Refused, and kept as that.
        event("canary-event-3", "order_completed", json!([])),
    ];
    asker.tell("/guanxi.ingest.v1.IngestService/IngestEvents", json!({"events": events})).await?;
    stage.settled().await;
    let profiles = "/guanxi.profile.v1.ProfileService";
    let by_name = |name: &str| json!({"namespace": "user_id", "value": name});
    let update = json!({"identifier": by_name("canary-1"), "attributes": {"name": "canary name"}});
    asker.tell(&format!("{profiles}/UpdateProfile"), update).await?;
    let mut customers = Vec::new();
    for name in ["canary-1", "canary-2"] {
        let found = asker
            .tell("/guanxi.identity.v1.IdentityService/GetCustomer", json!({"identifier": by_name(name)}))
            .await?;
        let id = found.field("/customer/customerId").context("a customer without an id")?;
        customers.push(id);
    }
    let send = json!({
        "idempotency_key": "canary-message", "customer_id": customers[0], "channels": ["chan_a"],
        "template": "tpl_a", "purpose": "PURPOSE_SERVICE",
    });
    asker.tell("/guanxi.messaging.v1.MessagingService/SendMessage", send).await?;
    let tag = json!({"customer_ids": [customers[1]], "tag_keys": ["tag_a"], "reason": "canary reason"});
    asker.tell("/guanxi.profile.v1.TagService/AddTags", tag).await?;
    stage.settled().await;
    let merge = json!({"customer_ids": customers, "reason": "canary merge"});
    asker.tell("/guanxi.identity.v1.IdentityService/MergeCustomers", merge).await?;
    stage.settled().await;
    Ok(())
}

async fn definitions(asker: &Asker) -> Result<()> {
    let segmentation = "/guanxi.segmentation.v1.SegmentationService";
    let messaging = "/guanxi.messaging.v1.MessagingService";
    let journey = "/guanxi.journey.v1.JourneyService";
    let condition = "events(\"order_completed\").count() >= 1";
    let send = json!({
        "send": {"channels": ["chan_a"], "template": "tpl_a", "purpose": "PURPOSE_SERVICE"}, "next": "rest",
    });
    let nodes =
        json!({"hello": send, "rest": {"wait": {"duration": "864000s"}, "next": "end"}, "end": {"exit": {}}});
    let definition = json!({"entry": {"event": "order_completed"}, "start": "hello", "nodes": nodes});
    for (path, request) in [
        (
            "/guanxi.ingest.v1.IngestService/CreateSource".to_owned(),
            json!({"source": {"key": "src_a", "name": "canary source", "kind": "SOURCE_KIND_TRACKING"}}),
        ),
        (
            "/guanxi.profile.v1.TagService/CreateTag".to_owned(),
            json!({"tag": {"key": "tag_a", "name": "canary tag", "group": "canary group"}}),
        ),
        (
            format!("{segmentation}/CreateSegment"),
            json!({"segment": {"key": "seg_a", "name": "canary segment", "condition": condition,
                               "kind": "SEGMENT_KIND_DYNAMIC"}}),
        ),
        (
            format!("{segmentation}/CreateTierSet"),
            json!({"tier_set": {"key": "tiers_a", "name": "canary tiers", "tiers": [
                {"key": "high_a", "name": "canary high", "condition": condition}, {"key": "low_a", "name": "canary low"}]}}),
        ),
        (
            format!("{messaging}/CreateChannel"),
            json!({"channel": {"key": "chan_a", "name": "canary channel", "kind": "CHANNEL_KIND_SANDBOX"}}),
        ),
        (
            format!("{messaging}/CreateTemplate"),
            json!({"template": {"key": "tpl_a", "name": "canary template", "variants": [
                {"locale": "zh-CN", "subject": "canary subject", "text": "canary text"}]}}),
        ),
        (
            format!("{journey}/CreateJourney"),
            json!({"journey": {"key": "jour_a", "name": "canary journey", "definition": definition}}),
        ),
        (format!("{journey}/PublishJourney"), json!({"key": "jour_a"})),
    ] {
        asker.tell(&path, request).await?;
    }
    Ok(())
}
