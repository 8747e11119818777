//! What is refused, and where.

use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;
use wire::journey as proto;
use wire::journey::node::Kind;

use crate::scene::{Scene, branch, exit, on, send, update, wait, wait_for};

async fn problems(scene: &Scene, definition: proto::Definition) -> Vec<String> {
    let request = proto::ValidateJourneyRequest { definition: Some(definition) };
    let found = scene.client().validate_journey(request).await.unwrap().into_inner().problems;
    found.into_iter().map(|problem| format!("{} {}", problem.place, problem.reason)).collect()
}

#[tokio::test]
async fn every_mistake_is_shown_with_its_place() {
    let scene = Scene::open().await;
    scene.world().unknown = ["nix".to_owned()].into();
    let mut silly = wait_for("x", "1h", "", "end");
    if let Some(Kind::WaitFor(wait)) = &mut silly.kind {
        wait.timeout = None;
        wait.condition = "e.properties.a >".to_owned();
    }
    let mut never = wait("1h", "end");
    never.kind = Some(Kind::Wait(proto::Wait::default()));
    let nodes = vec![
        ("a", wait("1h", "nowhere")),
        ("b", silly),
        ("c", branch(&[], "")),
        ("d", send(&[], "", "d")),
        ("f", update(json!({}), &[], "end")),
        ("g", never),
        ("Übel", proto::Node::default()),
        ("end", exit("done")),
    ];
    let mut definition = on("", nodes);
    definition.exit_when = "nonsense(".to_owned();
    let found = problems(&scene, definition).await;
    for expected in [
        "entry.event missing",
        "nodes.a.next unknown_node",
        "nodes.b.wait_for.matched missing",
        "nodes.b.wait_for.timeout missing",
        "nodes.b unreachable",
        "nodes.c.branch.cases missing",
        "nodes.c.branch.otherwise missing",
        "nodes.d.send.channels empty",
        "nodes.d.send.template missing",
        "nodes.d circle",
        "nodes.f.update empty",
        "nodes.g.wait missing",
        "nodes.Übel missing",
        "nodes.Übel bad_id",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} not in {found:#?}");
    }
    for place in ["nodes.b.wait_for.condition ", "exit_when "] {
        assert!(found.iter().any(|problem| problem.starts_with(place)), "{place} not in {found:#?}");
    }
}

#[tokio::test]
async fn names_of_others_are_looked_up() {
    let scene = Scene::open().await;
    scene.world().unknown = ["nix".to_owned()].into();
    let nodes = vec![
        ("a", send(&["oa", "nix"], "nix", "b")),
        ("b", update(json!({}), &["nix"], "c")),
        ("c", branch(&[(r#"in_segment("nix") && "nix" in tags"#, "end")], "end")),
        ("end", exit("done")),
    ];
    let found = problems(&scene, on("seen", nodes)).await;
    let expected = [
        "nodes.a.send.template unknown_template",
        "nodes.a.send.channels[1] unknown_channel",
        "nodes.b.update.add_tags[0] unknown_tag",
        "nodes.c.branch.cases[0].when unknown_tag",
        "nodes.c.branch.cases[0].when unknown_segment",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn circles_need_a_wait() {
    let scene = Scene::open().await;
    let round = |middle: proto::Node| {
        let case = [(r#"profile.city == "上海""#, "end")];
        on("seen", vec![("a", branch(&case, "b")), ("b", middle), ("end", exit("done"))])
    };
    assert_eq!(problems(&scene, round(wait("1d", "a"))).await, Vec::<String>::new());
    assert_eq!(problems(&scene, round(send(&["oa"], "t", "a"))).await, ["nodes.a circle", "nodes.b circle"]);
}

#[tokio::test]
async fn drafts_may_be_unfinished_and_are_not_published() {
    let scene = Scene::open().await;
    scene.create("draft", on("seen", vec![("a", wait("1h", ""))])).await;
    let request = proto::PublishJourneyRequest { key: "draft".to_owned() };
    let refused = scene.client().publish_journey(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields[0].field, "journey.definition.nodes.a.next");
    let nameless = proto::CreateJourneyRequest { journey: Some(proto::Journey::default()) };
    assert_eq!(scene.client().create_journey(nameless).await.unwrap_err().code(), Code::InvalidArgument);
    let twice = proto::Journey {
        key: "draft".to_owned(),
        definition: Some(proto::Definition::default()),
        ..Default::default()
    };
    let refused = scene
        .client()
        .create_journey(proto::CreateJourneyRequest { journey: Some(twice) })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let pause = proto::PauseJourneyRequest { key: "draft".to_owned() };
    assert_eq!(scene.client().pause_journey(pause).await.unwrap_err().code(), Code::FailedPrecondition);
    let list =
        scene.client().list_journeys(proto::ListJourneysRequest::default()).await.unwrap().into_inner();
    assert_eq!(list.journeys.len(), 1);
}
