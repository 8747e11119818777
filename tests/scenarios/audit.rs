//! Every change by hand leaves an entry in the audit log: which methods those are (from the descriptors), and each of them
//! called, with what its entry must say (`audit/walk.rs`).

mod ledger;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use chassis::rpc::Scopes;
use serde_json::json;
use tempfile::tempdir;
use testkit::Keys;
use tests::cluster::SERVICES;
use tests::platform::Platform;
use tonic::{Code, Request};
use wire::audit::audit_service_client::AuditServiceClient;
use wire::audit::{AuditEntry, ListAuditEntriesRequest};

use self::ledger::Ledger;
use crate::isolation::ask::Asker;
use crate::isolation::stage;

/// What changes something and is not audited, and why.
const DATA_PLANE: [(&str, &str); 7] = [
    ("/guanxi.ingest.v1.IngestService/IngestEvents", "events are on the log themselves, with their source"),
    ("/guanxi.ingest.v1.IngestService/StreamEvents", "events are on the log themselves, with their source"),
    ("/guanxi.identity.v1.IdentityService/ResolveIdentity", "does what an event with the identifiers would"),
    ("/guanxi.identity.v1.IdentityService/ResolveIdentities", "does what events with the identifiers would"),
    (
        "/guanxi.messaging.v1.MessagingService/SendMessage",
        "the message is kept with who asked for it, and its facts are on the log",
    ),
    (
        "/guanxi.messaging.v1.MessagingService/SendMessages",
        "the messages are kept with who asked for them, and their facts are on the log",
    ),
    ("/guanxi.messaging.v1.MessagingService/TestChannel", "changes nothing; it needs the channel's secrets"),
];

#[test]
fn what_changes_something_is_audited_or_of_the_data_plane() -> Result<()> {
    let methods = Scopes::load()?;
    let reasons: BTreeMap<&str, &str> = DATA_PLANE.into();
    for path in methods.paths() {
        let reads = methods.of(path).is_some_and(|scope| scope.ends_with(".read"));
        let ways = [reads, methods.is_audited(path), reasons.contains_key(path)]
            .into_iter()
            .filter(|way| *way)
            .count();
        assert_eq!(
            ways, 1,
            "{path} must do one of these: only read (its scope ends with .read), be audited (option \
             guanxi.audit.v1.audited), or be of the data plane (listed here with a reason)"
        );
    }
    for path in reasons.keys() {
        assert!(methods.of(path).is_some(), "{path} is no method any more");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_is_kept_with_who_what_before_and_after() -> Result<()> {
    let keys = Keys::new()?;
    let stage = stage(&keys).await?;
    let asker = |workspace: &str, subject: &str| -> Result<Asker> {
        Asker::new(&stage, &keys.token(&stage.clock, workspace, subject, "*")?)
    };
    let mut ledger = Ledger::new(asker("shop-1", "li.wei")?);
    walk::everything(&stage, &mut ledger).await?;
    let methods = Scopes::load()?;
    let audited: BTreeSet<&str> = methods.paths().filter(|path| methods.is_audited(path)).collect();
    let asked: BTreeSet<&str> = ledger.asked.iter().map(String::as_str).collect();
    let (unasked, strange): (Vec<_>, Vec<_>) =
        (audited.difference(&asked).collect(), asked.difference(&audited).collect());
    ensure!(unasked.is_empty() && strange.is_empty(), "not asked: {unasked:?}; not audited: {strange:?}");

    // A colleague of the same workspace, and a stranger.
    let mut colleague = Ledger::new(asker("shop-1", "han.mei")?);
    colleague.met.clone_from(&ledger.met);
    let tag = json!({"tag": {"key": "colleague", "name": "同事"}});
    colleague
        .told(
            "/guanxi.profile.v1.TagService/CreateTag",
            tag,
            ("tag", "colleague"),
            json!(null),
            json!({"name": "同事"}),
        )
        .await?;
    let all = ledger.entries(json!({})).await?;
    assert_eq!(ledger.entries(json!({"actor": "han.mei"})).await?.len(), 1);
    assert_eq!(ledger.entries(json!({"actor": "li.wei"})).await?.len(), all.len() - 1);
    assert!(Ledger::new(asker("shop-2", "li.wei")?).entries(json!({})).await?.is_empty());

    // Newest first, page by page, over all services.
    let ids: Vec<&str> = all.iter().filter_map(|entry| entry["auditEntryId"].as_str()).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older) && ids.len() == all.len());
    assert_eq!(ledger.paged(7).await?, all);
    let services: BTreeSet<&str> = all.iter().filter_map(|entry| entry["service"].as_str()).collect();
    let six = ["identity", "ingest", "journey", "messaging", "profile", "segmentation"];
    assert_eq!(services, BTreeSet::from(six), "analytics has nothing to change");
    let of_journey = ledger.entries(json!({"service": "journey"})).await?;
    assert!(of_journey.len() >= 8 && of_journey.iter().all(|entry| entry["service"] == "journey"));
    let half = &all[all.len() / 2]["time"];
    let (older, newer) =
        (ledger.entries(json!({"to": half})).await?, ledger.entries(json!({"from": half})).await?);
    assert!(!older.is_empty() && !newer.is_empty() && older.len() + newer.len() == all.len());
    let asker = asker("shop-1", "li.wei")?;
    for (filter, code) in [
        (json!({"service": "desk"}), Code::FailedPrecondition),
        (json!({"resource_id": "vip"}), Code::InvalidArgument),
        (json!({"page_token": "dmlw"}), Code::InvalidArgument),
    ] {
        assert_eq!(asker.request(ledger::LIST, filter).await?.code, code);
    }
    stage.running.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_in_it() -> Result<()> {
    let keys = Keys::new()?;
    let stage = stage(&keys).await?;
    let token = keys.token(&stage.clock, "shop-1", "li.wei", "*")?;
    let mut ledger = Ledger::new(Asker::new(&stage, &token)?);
    walk::secrets(&mut ledger).await?;
    let told = serde_json::to_string(&ledger.entries(json!({})).await?)?;
    assert!(told.contains("[hidden, changed]") && !told.contains(walk::CANARY), "{told}");
    stage.running.shutdown().await;
    Ok(())
}

/// As an operator reads it: service by service, through a gateway where each is a process of its own.
async fn kept(platform: &Platform) -> Result<Vec<AuditEntry>> {
    let mut client = AuditServiceClient::new(platform.client()?);
    let mut all = Vec::new();
    for service in SERVICES {
        let wanted =
            ListAuditEntriesRequest { service: service.to_owned(), page_size: 1_000, ..Default::default() };
        let mut request = Request::new(wanted);
        request.metadata_mut().insert("guanxi-service", service.parse()?);
        let found = client.list_audit_entries(request).await?.into_inner().audit_entries;
        assert!(found.iter().all(|entry| entry.service == service && entry.actor == "dev"));
        all.extend(found);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_apply_changes_is_kept_once() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let apply = ["apply", "-f", "deploy/workspaces/retail"];
    platform.run(&apply).await?;
    let first = kept(&platform).await?;
    let kinds: BTreeSet<&str> = first.iter().map(|entry| entry.resource_kind.as_str()).collect();
    let defined = ["channel", "journey", "segment", "source", "tag", "template", "tier_set"];
    assert_eq!(kinds, BTreeSet::from(defined));
    platform.run(&apply).await?;
    assert_eq!(kept(&platform).await?, first, "the second time nothing changes");
    platform.stop().await
}
