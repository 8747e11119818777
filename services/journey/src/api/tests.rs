//! The registry agrees with the database, wherever a call that changes journeys is cut off.

use std::sync::{Arc, Mutex};

use chassis::{Assembly, Caller, Context, Layers, Parts, Service};
use kernel::{Result, Workspace};
use sea_orm_migration::MigrationTrait;
use store::Tenant;
use testkit::{Stage, polled};
use wire::journey as proto;

use super::Api;
use crate::store::journeys;
use crate::{Config, Journey, Shared};

/// The service without its jobs: nothing reads the registry but the test.
struct Bare;

static STARTED: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

impl Service for Bare {
    const NAME: &'static str = Journey::NAME;
    const DEFAULTS: &'static str = Journey::DEFAULTS;
    type Config = Config;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Journey::migrations()
    }

    async fn start(config: Config, cx: Context) -> Result<Parts> {
        *STARTED.lock().unwrap() = Some(Arc::new(Shared::new(&config, cx)?));
        Ok(Parts::default())
    }
}

fn draft(key: &str) -> proto::Journey {
    let exit = proto::Node {
        kind: Some(proto::node::Kind::Exit(proto::Exit { reason: "完成".to_owned() })),
        ..proto::Node::default()
    };
    let definition = proto::Definition {
        entry: Some(proto::Entry {
            trigger: Some(proto::entry::Trigger::Event("order.paid".to_owned())),
            re_entry: proto::ReEntry::Always.into(),
            ..proto::Entry::default()
        }),
        start: "end".to_owned(),
        nodes: [("end".to_owned(), exit)].into(),
        ..proto::Definition::default()
    };
    proto::Journey {
        key: key.to_owned(),
        name: "付款关怀".to_owned(),
        definition: Some(definition),
        ..proto::Journey::default()
    }
}

#[tokio::test]
async fn publishing_that_is_cut_off_is_known_if_it_was_committed() {
    Tenant::Workspace(Workspace::new("demo")).scope(Box::pin(publish_and_cut_off())).await;
}

async fn publish_and_cut_off() {
    let _stage = Stage::open(Assembly::new(Layers::default()).with::<Bare>()).await.unwrap();
    let shared = STARTED.lock().unwrap().take().unwrap();
    let api = Api { shared: shared.clone() };
    let (workspace, db) = (Workspace::new("demo"), &shared.cx.db);
    // As a service that acts by itself: outside of a call nothing else may change a journey.
    let caller = || {
        let mut caller = Caller::system(workspace.clone(), "test");
        caller.via = Some("test".into());
        caller
    };
    let mut polls = 1_usize;
    loop {
        let key = format!("j{polls}");
        let created = proto::CreateJourneyRequest { journey: Some(draft(&key)) };
        api.do_create(caller(), created).await.unwrap();
        let before = shared.registry.index(db.read(), &workspace).await.unwrap();
        assert!(before.journey(&key).is_none());
        let request = proto::PublishJourneyRequest { key: key.clone() };
        let ended = polled(Box::pin(api.do_publish(caller(), request)), polls).await;
        // One unit of work at a time: the one that was cut off has ended when another has begun.
        db.begin().await.unwrap().roll_back().await.unwrap();
        let there = journeys::find(db.read(), &workspace, &key).await.unwrap().version > 0;
        let known = shared.registry.index(db.read(), &workspace).await.unwrap();
        assert_eq!(known.journey(&key).is_some(), there, "cut off after {polls} polls");
        if let Some(outcome) = ended {
            outcome.unwrap();
            assert!(there);
            break;
        }
        polls += 1 + polls / 8;
    }
}
